"""A report as one HTML file: no network, no script, light and dark, on a phone, a screen and paper."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from html import escape

from dataload.measuring import describe
from dataload.report.figures import Report, Tried
from dataload.report.trace import lanes_of
from dataload.stats import BatchTime

_SHOWN = 60
_BINS = 40
_COLORS = 8

_STYLE = """
:root{color-scheme:light dark;--bg:#fff;--fg:#1b1f24;--dim:#59636e;--line:#d1d9e0;--c0:#0969da;--c1:#bf3989;
--c2:#1a7f37;--c3:#9a6700;--c4:#8250df;--c5:#cf222e;--c6:#1b7c83;--c7:#6e7781;--good:#1a7f37;--wait:#cf222e}
@media(prefers-color-scheme:dark){:root{--bg:#0d1117;--fg:#e6edf3;--dim:#9198a1;--line:#3d444d;--c0:#4493f8;
--c1:#f778ba;--c2:#3fb950;--c3:#d29922;--c4:#ab7df8;--c5:#f85149;--c6:#39c5cf;--c7:#9198a1;--good:#3fb950;
--wait:#f85149}}
*{box-sizing:border-box}
body{margin:0 auto;padding:1rem;max-width:70rem;background:var(--bg);color:var(--fg);
font:1rem/1.5 system-ui,sans-serif}
h1{font-size:1.4rem;margin:.2rem 0}
h2{font-size:1.1rem;margin:1.6rem 0 .4rem}
p{margin:.3rem 0}
.dim{color:var(--dim);font-size:.875rem}
.verdict{border-left:.3rem solid var(--c0);padding:.2rem .8rem;margin:.8rem 0;font-size:1.1rem}
code{font:.9em ui-monospace,monospace;overflow-wrap:anywhere}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{padding:.25rem .5rem;text-align:right;border-bottom:1px solid var(--line);vertical-align:top}
th:first-child,td:first-child{text-align:left;overflow-wrap:anywhere}
.wide{overflow-x:auto}
.bar{display:flex;height:1.6rem;border-radius:.2rem;overflow:hidden;margin:.4rem 0}
.bar i{min-width:1px}
.bar i+i{border-left:1px solid var(--bg)}
.key{display:inline-block;width:.8rem;height:.8rem;border-radius:.15rem;margin-right:.4rem}
svg{display:block;width:100%;background:transparent}
:focus-visible{outline:2px solid var(--c0)}
summary{cursor:pointer}
.axis{display:flex;justify-content:space-between}
@media print{body{max-width:none;
font-size:10pt}details>*{display:block}h2{break-after:avoid}svg,table,.bar{break-inside:avoid}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
"""


def page_of(report: Report) -> str:
    """Return the page."""
    parts = [_head(report), _stages(report), _waiting(report), _timeline(report), _tried(report), _samples(report)]
    # Text that would end the element is written in another way.
    data = json.dumps(report.to_json()).replace("<", "\\u003c")
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{escape(report.subject)}: data loading</title>"
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
        f"<style>{_STYLE}</style></head><body><main>{''.join(parts)}</main>"
        f'<script type="application/json" id="report">{data}</script></body></html>\n'
    )


def _section(name: str, title: str, *parts: str) -> str:
    return f'<section id="{name}"><h2>{title}</h2>{"".join(parts)}</section>'


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{column}</th>" for column in columns)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _bar(what: str, parts: Iterable[tuple[float, str, str]]) -> str:
    """Return a bar of parts, each its share, colour and name."""
    drawn = "".join(
        f'<i style="flex:{share:.5f} 0 0;background:var({color})" title="{escape(name)} {share:.1%}"></i>'
        for share, color, name in parts
    )
    return f'<div class="bar" role="img" aria-label="{what}">{drawn}</div>'


def _drawing(what: str, height: int, shapes: Iterable[str], end: str) -> str:
    """Return a drawing 1000 wide, with what its axis ends in."""
    return (
        f'<svg viewBox="0 0 1000 {height}" preserveAspectRatio="none" height="{height}" role="img" aria-label="{what}">'
        f'{"".join(shapes)}</svg><div class="axis dim"><span>0</span><span>{end}</span></div>'
    )


def _box(x: float, y: float, width: float, height: float, color: str, title: str) -> str:
    return (
        f'<rect x="{x:.2f}" y="{y:.1f}" width="{max(width, 0.3):.2f}" height="{height:.1f}" fill="var({color})">'
        f"<title>{escape(title)}</title></rect>"
    )


def _head(report: Report) -> str:
    first, *others = report.advice or ("what was seen of the loader",)
    lines = "".join(f"<p>{escape(line)}</p>" for line in others)
    return (
        f"<h1>{escape(report.subject)}</h1><p><code>{escape(report.loader)}</code></p>"
        f'<div class="verdict"><p><strong>{escape(first)}</strong></p>{lines}</div>'
        f'<p class="dim">{escape(describe(report.machine))}</p>'
    )


def _stages(report: Report) -> str:
    if not report.stages:
        return ""
    colors = [f"--c{number % _COLORS}" for number in range(len(report.stages))]
    parts = [(report.share(stage), color, stage.name) for stage, color in zip(report.stages, colors, strict=True)]
    rows = [
        (
            f'<span class="key" style="background:var({color})"></span>{escape(stage.name)}',
            f"{report.share(stage):.1%}",
            f"{stage.seconds:.3f} s",
            f"{stage.cpu_seconds:.3f} s",
            _held(report, stage.name),
        )
        for stage, color in zip(report.stages, colors, strict=True)
    ]
    kind = f"{report.num_workers} {report.worker} worker{'' if report.num_workers == 1 else 's'}"
    where = kind if report.num_workers else "the loop's own thread"
    return _section(
        "stages",
        "Where the work goes",
        _bar("shares of the stages", parts),
        _table(("stage", "share", "time", "on a core", "GIL held"), rows),
        f'<p class="dim">{report.work_seconds:.3f} s of work in all, on {where}.</p>',
    )


def _held(report: Report, name: str) -> str:
    held = (report.gil or {}).get(name)
    return "" if held is None else f"{held:.0%}"


def _waiting(report: Report) -> str:
    memory = (
        "" if report.memory is None else f", {report.memory / 1e6:,.0f} MB of memory in this process and its workers"
    )
    free = "" if report.free_gain is None else f"; with batches for free {report.free_gain:.2f}x as fast"
    parts = [(report.waited, "--wait", "waiting"), (1 - report.waited, "--good", "at work")]
    return _section(
        "waiting",
        "The loop",
        _bar("waiting and working", parts),
        f"<p>It waits for {report.waited:.1%} of its time{free}: {report.samples_per_second:,.0f} samples/s.",
        f' <span class="dim">{report.batches:,} batches looked at{memory}.</span></p>',
    )


def _timeline(report: Report) -> str:
    batches: Sequence[BatchTime] = [batch for batch in report.recent if batch.ended][-_SHOWN:]
    if not batches:
        return ""
    zero = min(min(batch.begun, batch.delivered - batch.waited) for batch in batches)
    span = max(batch.delivered for batch in batches) - zero or 1.0
    lanes = lanes_of(batches)

    def box(begin: float, end: float, row: int, color: str, title: str) -> str:
        return _box((begin - zero) / span * 1000, 16 * row + 2, (end - begin) / span * 1000, 12, color, title)

    shapes = [
        box(batch.delivered - batch.waited, batch.delivered, 0, "--wait", f"waiting for batch {batch.number}")
        for batch in batches
    ]
    for row, lane in enumerate(lanes, 1):
        for batch in lane:
            took = f"batch {batch.number}: made in {1000 * (batch.ended - batch.begun):.2f} ms"
            shapes.append(box(batch.begun, batch.ended, row, f"--c{batch.number % 2 * 6}", took))
    return _section(
        "timeline",
        "The last batches",
        '<p class="dim">First row: the loop waits (red). Below: batches in the making, about a row a worker.</p>',
        _drawing(f"timeline of {len(batches)} batches", 16 * (len(lanes) + 1), shapes, f"{1000 * span:,.0f} ms"),
    )


def _tried(report: Report) -> str:
    if not report.tried:
        return ""
    rows = [
        (
            f"<code>{escape(one.code)}</code>{_more(one)}",
            "could not be" if one.failed else f"{one.samples_per_second:,.0f}",
            "" if one.failed else f"{one.gain:.2f}x",
        )
        for one in report.tried
    ]
    table = _table(("change", "samples/s", "gain"), rows)
    return _section("tried", "What was tried, in turns, on the same source", table)


def _more(one: Tried) -> str:
    more = one.failed or ("" if one.change == one.code else one.change)
    return more and f'<br><span class="dim">{escape(more)}</span>'


def _samples(report: Report) -> str:
    if not report.sample_seconds:
        return ""
    top = max(report.sample_seconds) or 1.0
    counts = [0] * _BINS
    for one in report.sample_seconds:
        counts[min(int(one / top * _BINS), _BINS - 1)] += 1
    most, width = max(counts), 1000 / _BINS
    shapes = [
        _box(width * number, 100 - 100 * count / most, width - 2, 100 * count / most, "--c0", f"{count} samples")
        for number, count in enumerate(counts)
        if count
    ]
    rows = [(escape(one.sample), f"{1000 * one.seconds:.2f} ms") for one in report.slowest]
    what = f"histogram of the time of {len(report.sample_seconds)} samples"
    return _section(
        "samples",
        "Single samples",
        _drawing(what, 100, shapes, f"{1000 * top:.2f} ms"),
        f"<details open><summary>The slowest</summary>{_table(('sample', 'time'), rows)}</details>",
    )
