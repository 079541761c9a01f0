"""The report on stored numbers."""

import io
import json

import pytest

from benchmarks.goals import goals_table, judge
from benchmarks.plot import plot
from benchmarks.report import make_report, tables, write_results
from benchmarks.results import make_rows
from dataload.terminal import open_terminal

RECORDS = [
    {
        "workload": "images",
        "system": system,
        "round": 0,
        "samples_per_s": rate,
        "first_batch_s": 0.25,
        "cpu_s_per_1000": 0.125,
        "main_ms_per_batch": 0.5,
        "peak_mb": 300.0,
    }
    for system, rate in (("dataload process", 20_000.0), ("torch", 4_000.0), ("limit", 15_000.0))
]
RECORDS += [
    {"workload": "images", "system": "lhotse", "round": 0, "cannot": "reads recordings only"},
    {"workload": "images", "system": "torch, batches by hand", "round": 0, "samples_per_s": 5_000.0},
]
ABOUT = {
    "command": "python -m benchmarks images",
    "date": "2024-01-02T03:04:05+00:00",
    "machine": {"processor": "Abacus", "cores": 2, "memory_gb": 4, "system": "Linux"},
    "versions": {"python": "3.11.0", "torch": "2.13.0"},
    "rounds_run": 1,
    "seconds": 4.0,
    "workers": 2,
}


@pytest.fixture
def rows():
    return make_rows(RECORDS, workers=2)


@pytest.fixture
def page(rows, tmp_path):
    """The report as it is written."""
    make_report(rows, ABOUT).write(tmp_path / "new" / "x.md")
    return (tmp_path / "new" / "x.md").read_text()


def test_a_row_shows_rate_ratio_share_of_the_limit_and_costs(rows):
    table = tables(rows)[0]
    assert table.columns == [
        "system", "samples/s", "x best peer", "of limit", "first batch ms", "CPU s/1000", "main ms/batch", "MB",
    ]  # fmt: skip
    assert table.cells[0] == ["dataload process", "20,000", "5.00", "67%", "250", "0.125", "0.50", "300"]


def test_rows_that_do_not_count_as_best_peer_stand_in_brackets_and_the_limit_comes_last(rows):
    names = [cells[0] for cells in tables(rows)[0].cells]
    assert names == ["dataload process", "torch", "(torch, batches by hand)", "limit"]


def test_a_system_that_cannot_do_a_workload_says_why(rows, page):
    assert tables(rows)[0].notes == ["lhotse: reads recordings only"]
    assert "- lhotse: reads recordings only" in page


def test_goals_are_shown_as_met_or_missed(rows):
    table = goals_table(judge(rows))
    assert table.columns == ["goal", "must be", "is", "", "from"]
    cells = {cells[0]: cells for cells in table.cells}
    assert cells["images: 3 x best peer"] == [
        "images: 3 x best peer", ">= 3", "5", "met", "dataload process / torch",
    ]  # fmt: skip
    assert cells["images: auto within 10 % of thread and process"][3] == "not measured"


def test_markdown_names_the_command_the_machine_and_the_versions(page):
    assert "`python -m benchmarks images`" in page and "Abacus, 2 cores, 4 GB" in page and "torch 2.13.0" in page
    assert "| dataload process | 20,000 | 5.00 | 67% |" in page and "goal" not in page


def test_the_terminal_shows_the_same_tables(rows):
    stream = io.StringIO()
    make_report(rows, ABOUT).print(open_terminal(stream))
    assert "dataload process     " in stream.getvalue() and "lhotse: reads recordings only" in stream.getvalue()


def test_the_json_holds_medians_goals_and_rounds(rows, tmp_path):
    write_results(tmp_path / "x.json", rows, RECORDS, ABOUT, judge(rows))
    content = json.loads((tmp_path / "x.json").read_text())
    assert content["rounds"] == RECORDS and content["machine"]["processor"] == "Abacus"
    assert content["rows"][0]["of_best_peer"] == 5.0
    assert {"workload": "images", "goal": "3 x best peer", "bound": 3.0, "reached": 5.0, "met": True}.items() <= (
        content["goals"][0].items()
    )


def test_the_picture_is_drawn(rows, tmp_path):
    plot(tmp_path / "x.png", rows)
    assert (tmp_path / "x.png").stat().st_size > 5_000
