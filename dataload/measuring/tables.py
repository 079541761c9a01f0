"""Tables and reports: one value, printed to a terminal or written as Markdown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from dataload.terminal import Terminal

Row = TypeVar("Row")
Cells = Sequence[str]


@dataclass(frozen=True)
class Column(Generic[Row]):
    """One column of rows of a kind.

    Attributes:
        title: above it.
        value: of a row; None leaves the cell empty.
        form: format of the value, as `format` takes it.
    """

    title: str
    value: Callable[[Row], Any]
    form: str = ""

    def cell(self, row: Row) -> str:
        """Return what stands in the cell of a row."""
        value = self.value(row)
        return "" if value is None else format(value, self.form)


@dataclass(frozen=True)
class Table:
    """Cells below columns, the first column aligned to the left and the others to the right.

    Attributes:
        columns: their titles.
        cells: one line per row.
        title: above the table.
        notes: below it, one per line.
    """

    columns: Cells
    cells: Sequence[Cells]
    title: str = ""
    notes: Cells = ()

    @classmethod
    def of(cls, rows: Sequence[Row], columns: Sequence[Column[Row]], title: str = "", notes: Cells = ()) -> Table:
        """Return the table of `rows`, without the columns after the first that no row fills."""
        others = [column for column in columns[1:] if any(column.value(row) is not None for row in rows)]
        filled = [columns[0], *others]
        cells = [[column.cell(row) for column in filled] for row in rows]
        return cls([column.title for column in filled], cells, title, notes)

    def print(self, terminal: Terminal) -> None:
        """Print it."""
        if self.title:
            terminal.line(f"\n{self.title}")
        terminal.table(self.columns, self.cells)
        for note in self.notes:
            terminal.line(f"  {note}")

    def markdown(self) -> str:
        """Return it as a section of a page, or without a heading where it has no title."""
        lines = [self.columns, ["---", *["---:"] * (len(self.columns) - 1)], *self.cells]
        parts = [f"## {self.title}\n"] if self.title else []
        parts += ["| " + " | ".join(map(_escape, cells)) + " |" for cells in lines]
        return "\n".join([*parts, "", *(f"- {note}" for note in self.notes), *([""] if self.notes else [])])


@dataclass(frozen=True)
class Report:
    """A page of tables.

    Attributes:
        title: of the page.
        command: that measured what it shows.
        machine: what `describe` says.
        legend: what the columns mean.
        tables: of the figures.
    """

    title: str
    command: str
    machine: str
    legend: str
    tables: Sequence[Table]

    def print(self, terminal: Terminal) -> None:
        """Print the tables, and below them what they mean and where they come from."""
        for table in self.tables:
            table.print(terminal)
        terminal.line(f"\n{self.legend}\n{self.machine}")

    def write(self, path: Path) -> None:
        """Write it as a page of Markdown; its folder is made where it does not exist."""
        head = [f"# {self.title}", f"`{self.command}`", self.machine, self.legend]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n\n".join([*head, *(table.markdown() for table in self.tables)]), encoding="utf-8")


def _escape(cell: str) -> str:
    return cell.replace("|", "\\|").replace("\n", " ")
