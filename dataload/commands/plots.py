"""The pictures: throughput against workers, and the spectrograms of one batch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dataload.measuring.pictures import new_figure, save

if TYPE_CHECKING:
    from dataload.commands.sweep import Row

COLOURS = {"thread": "#1b7837", "process": "#762a83"}


def plot_throughput(path: Path, subject: str, rows: Sequence[Row]) -> None:
    """Draw samples per second against num_workers, one line per kind of worker, to the image file `path`.

    The line goes through the medians; the thin bars reach from the slowest round to the fastest.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    figure = new_figure(6.4, 4.2)
    axes = figure.add_subplot()
    base = [row for row in rows if row.setting.num_workers == 0]
    for row in base:
        axes.axhline(row.samples_per_second, color="0.6", linestyle="--", linewidth=1, label="0 workers")
    for kind in dict.fromkeys(row.setting.worker for row in rows if row.setting.worker):
        line = base + [row for row in rows if row.setting.worker == kind]
        rate = np.array([row.samples_per_second for row in line])
        low = rate - [min(row.rounds) for row in line]
        high = [max(row.rounds) for row in line] - rate
        workers = [row.setting.num_workers for row in line]
        colour = COLOURS.get(kind or "")  # None takes matplotlib's next one
        axes.errorbar(workers, rate, (low, high), label=kind, color=colour, marker="o", elinewidth=1, capsize=3)
    axes.set_title(f"Throughput: {subject}")
    axes.set_xlabel("num_workers")
    axes.set_ylabel("samples per second")
    axes.set_xticks(sorted({row.setting.num_workers for row in rows}))
    axes.set_ylim(0, 1.1 * max(max(row.rounds) for row in rows))
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    save(figure, path)


def plot_batch(
    path: Path,
    spectrograms: NDArray[np.float32],
    lengths: NDArray[np.int64],
    titles: Sequence[str],
    *,
    columns: int = 8,
) -> None:
    """Draw the log-mel spectrograms of a batch, each with its title, to the image file `path`.

    Args:
        path: image file, PNG by its name.
        spectrograms: (batch, frames, n_mels) float32, padded.
        lengths: (batch,) frames of each before padding; what is padded stays blank.
        titles: one per spectrogram.
        columns: how many stand side by side.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    count, frames, n_mels = spectrograms.shape
    lines = math.ceil(count / columns)
    figure = new_figure(1.5 * columns, 1.5 * lines + 0.8)
    grid = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
    heard = [spectrogram[:length] for spectrogram, length in zip(spectrograms, lengths, strict=True)]
    low, high = np.percentile(np.concatenate(heard), (1, 99.8))
    for axes in grid.flat[count:]:
        axes.set_visible(False)
    for axes, spectrogram, title in zip(grid.flat, heard, titles, strict=False):
        axes.imshow(spectrogram.T, origin="lower", aspect="auto", vmin=low, vmax=high, cmap="magma")
        axes.set_title(title, fontsize=11)
        axes.set_xlim(-0.5, frames - 0.5)
        axes.set_ylim(-0.5, n_mels - 0.5)
        axes.tick_params(labelsize=8)
    figure.suptitle(f"One batch: log-mel spectrograms, padded to {frames} frames")
    figure.supxlabel("frame")
    figure.supylabel("mel band")
    save(figure, path)
