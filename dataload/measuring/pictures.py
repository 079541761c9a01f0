"""Figures of matplotlib, imported when one is drawn. pyplot would look for a display and keep the figures alive."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dataload.extras import require

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of this size in inches.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    require("matplotlib", extra="bench", purpose="drawing a picture")
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def save(figure: Figure, path: Path) -> None:
    """Write a figure to an image file of the kind that its name ends with; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
