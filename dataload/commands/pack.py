"""`dataload pack`: the samples of a source written into shards, and the line of Python that reads them."""

from __future__ import annotations

import sys
from argparse import Namespace

from dataload.commands.arguments import UsageError
from dataload.commands.sources import open_source
from dataload.commands.survey import is_file
from dataload.errors import ConfigError
from dataload.shards.pack import Packing
from dataload.sources.base import describe
from dataload.terminal import open_terminal


def run(arguments: Namespace) -> None:
    """Run the command.

    Raises:
        UsageError: the source names nothing, or the folder holds shards of another source, or made otherwise.
        ConfigError: the format cannot keep a sample.
        StorageError: a shard cannot be written.
        KeyboardInterrupt: once it is told how to go on.
    """
    terminal = open_terminal()
    source = open_source(arguments.source)
    terminal.line(describe(source))
    try:
        packing = Packing(
            source,
            arguments.out,
            format=arguments.format,
            size=arguments.size,
            name=arguments.name,
            suffixes=dict(arguments.suffix),
            files=arguments.file,
        )
        packing.check()
    except ConfigError as error:
        usage = UsageError(str(error))
        for note in getattr(error, "__notes__", ()):
            usage.add_note(note)
        raise usage from None
    for name, value in packing.samples[0].items():
        if is_file(value, None):
            terminal.line(f"field {name!r} holds paths, and is packed as text: --file {name} packs the files")
    if shards := packing.manifest.shards:
        terminal.line(f"{packing.manifest.next} samples are in {len(shards)} finished shards: going on behind them")
    try:
        with terminal.progress(f"packing {packing.remaining} samples", max(packing.remaining, 1)) as advance:
            packed = packing.run(advance)
    except KeyboardInterrupt:
        finished = len(packing.manifest.shards)
        print(
            f"dataload pack: stopped with {finished} shards finished; the same command goes on there", file=sys.stderr
        )
        raise
    size = sum(shard.size for shard in packed.shards)
    terminal.line(f"{len(source)} samples in {len(packed.shards)} shards of {size / 1e6:,.1f} MB together")
    terminal.line()
    for line in packed.lines:
        terminal.line(line)
