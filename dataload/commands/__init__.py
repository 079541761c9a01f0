"""The `dataload` command: exit codes, and how errors are told.

Apart from the library, which never imports it. Each subcommand has a module of its own, imported when it
runs, so that `dataload --help` answers at once.

Exit codes: 0 done; 1 the run failed; 2 wrong usage; 130 stopped with Ctrl-C.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from importlib import import_module

from dataload.commands.arguments import UsageError, make_parser
from dataload.errors import DataloadError

DONE, FAILED, WRONG_USAGE, STOPPED = 0, 1, 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with `argv`, or the process's own arguments, and return its exit code.

    Raises:
        SystemExit: from argparse, with 2 for arguments that it cannot read, with 0 after --help and
            --version.
    """
    parser = make_parser()
    arguments = parser.parse_args(argv)
    if arguments.command is None:
        parser.print_help(sys.stderr)
        return WRONG_USAGE
    try:
        import_module(f"dataload.commands.{arguments.command}").run(arguments)
    except KeyboardInterrupt:
        return STOPPED
    except Exception as error:
        return _tell(error, arguments.command, arguments.verbose)
    return DONE


def _tell(error: Exception, command: str, verbose: bool) -> int:
    """Print `error` to standard error, its notes included, and return the exit code that it stands for."""
    wrong_usage = isinstance(error, UsageError)
    if verbose and not wrong_usage:
        traceback.print_exception(error)
    else:
        name = "" if isinstance(error, DataloadError | UsageError) else f"{type(error).__name__}: "
        hint = () if wrong_usage else ("(--verbose shows the traceback)",)
        lines = [f"dataload {command}: error: {name}{error}", *getattr(error, "__notes__", ()), *hint]
        print("\n  ".join(lines), file=sys.stderr)
    return WRONG_USAGE if wrong_usage else FAILED
