"""`dataload doctor`: what bounds a training loop, and which change makes it faster, tried."""

from __future__ import annotations

import logging
from argparse import Namespace
from pathlib import Path
from typing import Any

from dataload.commands.arguments import UsageError
from dataload.commands.target import ATTRIBUTE, find_attribute, open_target
from dataload.doctor import examine
from dataload.doctor.lanes import Step
from dataload.errors import DataloadError
from dataload.report import Report, write_report
from dataload.report.writing import check_name
from dataload.terminal import Terminal, open_terminal

_log = logging.getLogger("dataload")


class TooSlow(DataloadError):
    """The loop reaches less than the share that --fail-below asks for."""


def run(arguments: Namespace) -> None:
    """Run the command.

    Raises:
        UsageError: the target or the loop names nothing, or the wrong thing.
        TooSlow: the loop reaches a smaller share than asked for.
    """
    terminal = open_terminal()
    paths = [path for path in (arguments.html, arguments.json, arguments.trace) if path]
    for path in paths:  # a long examination would be lost otherwise
        check_name(path)
    step = _step(arguments)
    if arguments.fail_below is not None and not step:
        raise UsageError("--fail-below compares with the loop without loading: give --step SECONDS or --loop")
    with open_target(arguments.target, batch_size=arguments.batch_size, sample_rate=arguments.sample_rate) as loader:
        report = examine(
            loader,
            step=step,
            seconds=arguments.seconds,
            rounds=arguments.rounds,
            subject=arguments.target,
            on_progress=lambda doing: _log.info("doctor: %s", doing),
        )
    show(report, terminal)
    for path in paths:
        write_report(report, path)
        terminal.line(f"report: {Path(path)}")
    _check(report, arguments.fail_below)


def show(report: Report, terminal: Terminal) -> None:
    """Print a report in a few lines."""
    first, work, *others = report.advice
    terminal.line(report.loader)
    terminal.line(first)
    terminal.line(work)
    if report.tried:
        gains = [f"{one.change} {one.gain:.2f}x" for one in report.tried if not one.failed]
        gains += [f"{one.change} could not be ({one.failed})" for one in report.tried if one.failed]
        terminal.line(f"tried: {'; '.join(gains)}")
    for line in others:
        terminal.line(line)


def _step(arguments: Namespace) -> Step | float:
    if arguments.loop is None:
        return float(arguments.step)
    named = ATTRIBUTE.fullmatch(arguments.loop)
    if named is None:
        raise UsageError(f"--loop {arguments.loop} must be module:function")
    found: Any = find_attribute(named["module"], named["attribute"])
    if not callable(found):
        raise UsageError(f"--loop {arguments.loop} is of type {type(found).__name__}, not a function of a batch")
    step: Step = found
    return step


def _check(report: Report, least: float | None) -> None:
    gain = report.free_gain
    if least is None or gain is None or 1 / gain >= least:
        return
    raise TooSlow(
        f"the loop reaches {1 / gain:.0%} of what it would with batches for free, --fail-below asks for {least:.0%}"
    )
