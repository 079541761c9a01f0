"""From figures to sentences: what bounds the run, where its time goes, what to do."""

from __future__ import annotations

from dataclasses import replace

from dataload.report.figures import HARDLY, Report
from dataload.stats import StageTime

# A change that brings less is not recommended: the machine's noise is as large.
WORTH = 1.05
_MIN_BATCHES = 16
# Stages with a smaller share are not named in the text.
_NAMED = 0.05
_HOLDS = 0.4


def advise(report: Report, has_loop: bool) -> Report:
    """Return a report with its sentences."""
    sentences = [*_bound(report, has_loop), _work(report)]
    best = next((one for one in report.tried if not one.failed), None)
    if bound_by_loop(report, has_loop):
        sentences.append("nothing to gain from loading: make the step faster, or use larger batches")
    elif best is not None and best.gain >= WORTH:
        sentences.append(f"use {best.change}: {best.gain:.2f}x, tried")
    elif report.tried:
        sentences.append(f"nothing that was tried is {WORTH - 1:.0%} faster")
    if report.batches < _MIN_BATCHES:
        sentences.append(f"only {report.batches} batches were looked at: {_MIN_BATCHES} or more would say more")
    return replace(report, advice=tuple(sentences))


def bound_by_loop(report: Report, has_loop: bool) -> bool:
    """Whether the loop has its batches when it wants them."""
    return has_loop and (report.waited < HARDLY or (report.free_gain or 2.0) < 1 + HARDLY)


def kind_of(report: Report, stage: StageTime) -> str:
    """Return what a stage does in its time: waits, computes with the GIL or without it."""
    if stage.name == "transport":
        return "copies"
    held = (report.gil or {}).get(stage.name)
    # By itself it waits for no other thread.
    alone = next((one for one in report.alone if one.name == stage.name and one.seconds), stage)
    if alone.cpu_seconds < 0.5 * alone.seconds and (held is None or held < _HOLDS):
        return "waits"
    if held is None:
        return "computes"
    return "computes and holds the GIL" if held >= _HOLDS else "computes without the GIL"


def _bound(report: Report, has_loop: bool) -> list[str]:
    if not has_loop:
        return [
            f"{report.samples_per_second:,.0f} samples/s without a training step (--step SECONDS or --loop says what "
            "that means for training)"
        ]
    what = "the loop" if bound_by_loop(report, has_loop) else "loading"
    # What does not wait for loading would take as long without it.
    gain = report.free_gain or 1 / max(1 - report.waited, 1e-3)
    return [
        f"bound by {what}: the loop waits {report.waited:.0%} of its time for batches; with batches for free it would "
        f"be {gain:.2f}x as fast"
    ]


def _work(report: Report) -> str:
    rows = sorted(report.stages, key=lambda stage: -stage.seconds)
    named = [
        f"{stage.name} {report.share(stage):.0%} ({kind_of(report, stage)})"
        for stage in rows
        if report.share(stage) >= _NAMED
    ]
    return "where the work goes: " + ", ".join(named[:4]) if named else "no work was seen"
