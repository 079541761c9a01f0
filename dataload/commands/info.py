"""`dataload info`: what a folder, a table, shards or a source of Python hold."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path

from dataload.commands.sources import open_source
from dataload.commands.survey import Field, Range, Survey, survey
from dataload.extras import require
from dataload.measuring import Column, Table
from dataload.terminal import Terminal, open_terminal

COLUMNS: tuple[Column[Field], ...] = (
    Column("field", lambda field: field.name or "(the sample)"),
    Column("kind", lambda field: ", ".join(field.kinds[:3]) + (", ..." if len(field.kinds) > 3 else "")),
    Column("shape", lambda field: _axes(field)),
    Column("bytes: min", lambda field: _figure(field.bytes, "min"), ",.0f"),
    Column("median", lambda field: _figure(field.bytes, "median"), ",.0f"),
    Column("max", lambda field: _figure(field.bytes, "max"), ",.0f"),
    Column("seconds: min", lambda field: _figure(field.seconds, "min"), ",.2f"),
    Column("median", lambda field: _figure(field.seconds, "median"), ",.2f"),
    Column("max", lambda field: _figure(field.seconds, "max"), ",.2f"),
)


def run(arguments: Namespace) -> None:
    """Run the command.

    Raises:
        UsageError: the source names nothing, or the wrong thing.
        SourceError: what is there cannot be read.
        MissingExtra: a plot is asked for and matplotlib is not installed.
    """
    if arguments.plot:
        require("matplotlib", extra="bench", purpose="--plot")
    terminal = open_terminal()
    source = open_source(arguments.source)
    found = survey(source, arguments.samples)
    if arguments.json:
        print(json.dumps(found.to_json(), indent=2))
    else:
        show(found, terminal)
    if arguments.plot:
        from dataload.commands.sample_plots import plot_samples

        notes = plot_samples(Path(arguments.plot), source)
        if not arguments.json:
            for note in (*notes, f"picture: {arguments.plot}"):
                terminal.line(note)


def show(found: Survey, terminal: Terminal) -> None:
    """Print what was found."""
    terminal.line(found.source)
    all_of_them = found.looked_at == found.samples
    of = "" if all_of_them else f"; figures are of {found.looked_at}, spread evenly (--samples)"
    terminal.line(f"{found.samples:,} samples{of}")
    if not found.fields:
        return
    Table.of(found.fields, COLUMNS).print(terminal)
    for field in found.fields:
        name = f"field {field.name!r}" if field.name else "the sample"
        if field.mean_seconds is not None:
            hours = field.mean_seconds * found.samples * (field.samples / found.looked_at) / 3600
            terminal.line(f"{name}: {'' if all_of_them else 'about '}{_duration(hours)} of sound in all")
        if field.samples < found.looked_at:
            terminal.line(f"{name}: in {field.samples} of {found.looked_at} samples")
        if field.errors:
            terminal.line(f"{name}: {field.errors} of {field.samples} cannot be read, the first: {field.error}")
    terminal.line("\nfirst samples:")
    for number, sample in enumerate(found.first):
        terminal.line(f"  {number}: " + ", ".join(f"{name}={text}" if name else text for name, text in sample.items()))


def _figure(figures: Range | None, name: str) -> float | None:
    return None if figures is None else float(getattr(figures, name))


def _axes(field: Field) -> str | None:
    """Return shapes such as (3, 40..80)."""
    if field.shapes is None:
        return None
    return "(" + ", ".join(str(low) if low == high else f"{low}..{high}" for low, high in field.shapes) + ")"


def _duration(hours: float) -> str:
    return f"{hours:,.2f} h" if hours >= 1 else f"{hours * 60:,.1f} min"
