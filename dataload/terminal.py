"""Printing for the commands: lines, tables and progress, with rich where it is installed and in plain text elsewhere.

`open_terminal` alone decides how output looks. Output to a pipe, a file or a CI log is plain text without any control
characters.
"""

from __future__ import annotations

import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TextIO

from dataload.extras import installed

Advance = Callable[[], None]

BAR_WIDTH = 24
REDRAW_SECONDS = 0.1


class Terminal(ABC):
    """Where a command prints to."""

    @abstractmethod
    def line(self, text: str = "") -> None:
        """Print one line."""

    @abstractmethod
    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print a table: the first column aligned to the left, the others to the right."""

    @abstractmethod
    def progress(self, title: str, total: int) -> AbstractContextManager[Advance]:
        """Show progress while the `with` block runs, which calls what it gets after each of `total` steps."""


class PlainTerminal(Terminal):
    """Plain text; a bar redrawn in place on a terminal, one line per task anywhere else."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def line(self, text: str = "") -> None:
        print(text, file=self.stream, flush=True)

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        widths = [max(map(len, cells)) for cells in zip(columns, *rows, strict=True)]
        for cells in (columns, ["-" * width for width in widths], *rows):
            padded = [
                cell.rjust(width) if i else cell.ljust(width)
                for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
            ]
            self.line("  ".join(padded).rstrip())

    @contextmanager
    def progress(self, title: str, total: int) -> Iterator[Advance]:
        done = drawn = 0
        live = self.stream.isatty()

        def advance() -> None:
            nonlocal done, drawn
            done += 1
            filled = BAR_WIDTH * done // total
            if live and filled != drawn:  # a write per step would cost more than many of the steps
                drawn = filled
                self._write(f"\r{title} [{'#' * filled}{'.' * (BAR_WIDTH - filled)}] {done}/{total}")

        start = time.perf_counter()
        self._write(f"{title} [{'.' * BAR_WIDTH}]" if live else f"{title} ... ")
        outcome = "stopped"
        try:
            yield advance
            outcome = "done"
        finally:
            width = len(title) + BAR_WIDTH + 2 * len(str(total)) + 5
            clear = "\r" + " " * width + f"\r{title} ... " if live else ""
            self._write(f"{clear}{outcome} in {time.perf_counter() - start:.1f} s\n")

    def _write(self, text: str) -> None:
        self.stream.write(text)
        self.stream.flush()


class RichTerminal(Terminal):
    """Tables and bars drawn by rich."""

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console

        self.console = Console(file=stream, highlight=False)

    def line(self, text: str = "") -> None:
        self.console.print(text, markup=False, soft_wrap=True)

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        from rich.table import Table

        table = Table()
        for i, column in enumerate(columns):
            table.add_column(column, justify="right" if i else "left")
        for row in rows:
            table.add_row(*row)
        self.console.print(table)

    @contextmanager
    def progress(self, title: str, total: int) -> Iterator[Advance]:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        # rich would redraw from a thread of its own, which takes the GIL in the middle of what is being measured.
        with Progress(*columns, console=self.console, auto_refresh=False) as bar:
            task = bar.add_task(title, total=total)
            bar.refresh()
            drawn = time.perf_counter()

            def advance() -> None:
                nonlocal drawn
                bar.advance(task)
                if (now := time.perf_counter()) - drawn > REDRAW_SECONDS:
                    drawn = now
                    bar.refresh()

            yield advance


def open_terminal(stream: TextIO | None = None) -> Terminal:
    """Return how to print on `stream`, by default standard output: rich only for a person at a terminal."""
    stream = sys.stdout if stream is None else stream
    return RichTerminal(stream) if stream.isatty() and installed("rich") else PlainTerminal(stream)
