"""`dataload cache`: what is in the folder of a cache, and emptying it."""

from __future__ import annotations

from argparse import Namespace
from datetime import datetime
from pathlib import Path

from dataload.cache.entries import OBJECT, VALUE
from dataload.cache.folder import clear, survey
from dataload.commands.arguments import UsageError
from dataload.errors import StorageError
from dataload.kept_recipes import chains_of, forget
from dataload.sizes import size_text
from dataload.terminal import open_terminal


def run(arguments: Namespace) -> None:
    """Run the command.

    Raises:
        UsageError: there is no such folder.
        StorageError: it cannot be read, or not be emptied.
    """
    terminal = open_terminal()
    folder = Path(arguments.folder)
    if not folder.is_dir():
        raise UsageError(f"there is no folder {arguments.folder}")
    try:
        usage, chains = survey(folder), chains_of(folder)
        if arguments.action == "clear":
            clear(folder)
            forget(folder)
    except OSError as error:
        raise StorageError(f"{folder}: {error.strerror or error}") from None
    terminal.line(f"{folder}: {size_text(usage.size)} in {usage.segments:,} segments")
    terminal.line(f"objects, whole or in part: {usage.values.get(OBJECT, 0):,}")
    terminal.line(f"results of transforms: {usage.values.get(VALUE, 0):,}")
    for chain, used in chains:
        terminal.line(f"  {chain}, used last: {_time(used)}")
    if usage.segments:
        terminal.line(f"used last: {_time(usage.oldest)} (goes first) to {_time(usage.newest)}")
    if arguments.action == "clear":
        terminal.line("cleared")


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).isoformat(" ", "seconds")
