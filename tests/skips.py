"""Which tests may be skipped, and why: with CI=true every other skip is a failure.

A package or a file that is missing is never in this table: where everything is tested, everything is there.
"""

import os
import re
from collections import Counter

import pytest

# What the reason of a skip matches, and why such a test cannot run everywhere.
MAY_STAY = {
    r"needs a GPU": "no GPU here",
    r"is about machines without a GPU|there is a CUDA device": "a GPU is here, and this is about machines without",
    r"root may read everything": "the rights of a file do not bind root",
    r"needs the right to mount a file system": "only root may mount",
    r"has memory without a name on Linux only": "another operating system",
    r"no count of the bytes that a process reads|reads /proc": "an operating system without /proc",
    r"Ctrl-C is sent to the process group|needs a pseudo-terminal": "an operating system without terminals of POSIX",
    r"this system does not bind processes to cores": "another operating system",
    r"needs a server from npm": "no npm here: make servers installs them where it is",
    r"needs a browser": "no Chromium here: .ci/run installs it where it may",
    r"Grain is installed": "is about machines without it",
}


def _reason(report) -> str:
    return report.longrepr[2].removeprefix("Skipped: ") if isinstance(report.longrepr, tuple) else str(report.longrepr)


def _why(reason: str) -> str | None:
    return next((why for pattern, why in MAY_STAY.items() if re.search(pattern, reason)), None)


def _checked(report):
    """Return a report, as a failure where it is of a skip that may not be."""
    in_ci = os.environ.get("CI", "").lower() in ("true", "1")
    if in_ci and report.skipped and not hasattr(report, "wasxfail") and _why(_reason(report)) is None:
        report.longrepr = (
            f"skipped ({_reason(report)}), and CI is set: install what is missing, or give the reason a line in "
            "tests/skips.py if it cannot be had everywhere"
        )
        report.outcome = "failed"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Check the skips of tests."""
    return _checked((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    """Check the skips of whole modules."""
    return _checked((yield))


def pytest_terminal_summary(terminalreporter):
    """Print how many tests were skipped, and why."""
    skipped = [_reason(report) for report in terminalreporter.getreports("skipped")]
    if skipped:
        terminalreporter.section("skipped tests")
        for (reason, why), count in sorted(Counter((reason, _why(reason)) for reason in skipped).items(), key=str):
            terminalreporter.line(f"{count} x {reason} ({why or 'a failure where CI=true'})")
        terminalreporter.line(f"{len(skipped)} in all, {sum(map(bool, map(_why, skipped)))} of them may stay")
