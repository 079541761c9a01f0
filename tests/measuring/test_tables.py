"""Tables and reports: the same value in a terminal and as Markdown, and JSON beside them."""

import io
import json

from dataload.measuring import Column, Report, Table, about, describe, versions, write_json
from dataload.terminal import open_terminal

COLUMNS = (
    Column("name", lambda row: row[0]),
    Column("rate", lambda row: row[1], ",.0f"),
    Column("never", lambda row: None),
)
TABLE = Table.of([("a|b", 1234.5), ("c", None)], COLUMNS, title="things", notes=["d: not here"])


def printed(value):
    stream = io.StringIO()
    value.print(open_terminal(stream))
    return stream.getvalue()


def test_cells_are_formatted_and_a_column_that_no_row_fills_is_left_out():
    assert TABLE.columns == ["name", "rate"] and TABLE.cells == [["a|b", "1,234"], ["c", ""]]
    assert Table.of([], COLUMNS).columns == ["name"]


def test_a_table_in_a_terminal_has_its_title_above_and_notes_below():
    lines = printed(TABLE).splitlines()
    assert lines == ["", "things", "name   rate", "----  -----", "a|b   1,234", "c", "  d: not here"]


def test_a_table_in_markdown_is_a_section_with_bars_escaped():
    assert TABLE.markdown().splitlines() == [
        "## things", "", "| name | rate |", "| --- | ---: |", "| a\\|b | 1,234 |", "| c |  |", "", "- d: not here",
    ]  # fmt: skip


def test_a_report_says_which_command_and_machine_made_it(tmp_path):
    report = Report("Page", "python -m x", "Abacus, 2 cores", "what it means", [TABLE])
    report.write(tmp_path / "new" / "page.md")
    page = (tmp_path / "new" / "page.md").read_text()
    assert page.startswith("# Page\n\n`python -m x`\n\nAbacus, 2 cores\n\nwhat it means\n\n## things\n\n| name")
    text = printed(report)
    assert text.index("1,234") < text.index("what it means") < text.index("Abacus, 2 cores")


def test_facts_name_the_machine_and_the_versions_of_what_is_installed(tmp_path):
    facts = about(("numpy", "no-such-package"), command="x")
    assert facts["command"] == "x" and facts["machine"]["cores"] >= 1 and facts["machine"]["processor"]
    assert set(facts["versions"]) == set(versions(["numpy"])) == {"python", "numpy"}
    line = describe(facts, "3 rounds", "")
    assert f"numpy {facts['versions']['numpy']}; 3 rounds; {facts['date']}" in line
    write_json(tmp_path / "new" / "x.json", facts)
    assert json.loads((tmp_path / "new" / "x.json").read_text()) == facts
