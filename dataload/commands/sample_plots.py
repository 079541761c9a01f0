"""Pictures of the first samples of a source: spectrograms of its sound, and its images."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dataload.audio.reader import read_part
from dataload.audio.segment import Segment
from dataload.commands.arguments import UsageError
from dataload.commands.survey import fields_of, is_file, is_image, is_sound
from dataload.commands.target import AUDIO_SUFFIXES
from dataload.measuring.pictures import new_figure, save
from dataload.sources.files import own_path
from dataload.storage.places import place
from dataload.transforms import DecodeAudio, LogMel

_SAMPLES = 6
_MAX_SECONDS = 30
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".tif", ".tiff")


@dataclass(frozen=True)
class Panel:
    """One picture: (frames, n_mels) float32 of sound, or (height, width[, channels]) of an image."""

    title: str
    is_sound: bool
    values: Any


def plot_samples(path: Path, source: Any, count: int = _SAMPLES) -> list[str]:
    """Draw the sound and the images of the first samples to an image file, a row per field.

    Args:
        path: PNG, SVG or PDF by its name.
        source: any source.
        count: how many samples.

    Returns:
        Which images could not be drawn, and why.

    Raises:
        UsageError: there is neither sound nor an image.
        MissingExtra: matplotlib is not installed.
        DecodeError: a sound is damaged.
    """
    rows: dict[str, list[Panel]] = {}
    notes: list[str] = []
    for index in range(min(count, len(source))):
        own = own_path(source, index)
        for name, value in fields_of(source, index).items():
            panel = _panel(f"{name} {index}".strip(), value, own, notes)
            if panel is not None:
                rows.setdefault(name, []).append(panel)
    if not rows:
        why = notes or ["the first samples hold neither sound nor images"]
        raise UsageError(f"--plot: {'; '.join(why)}")
    _draw(path, list(rows.values()))
    return notes


def _panel(title: str, value: Any, own: str | None, notes: list[str]) -> Panel | None:
    """Return the picture of a value, None for what has none."""
    if isinstance(value, Segment):
        return Panel(title, True, _spectrogram(value))
    if is_file(value, own):
        suffix = Path(os.fspath(value)).suffix.lower()
        if suffix in AUDIO_SUFFIXES:
            return Panel(title, True, _spectrogram(value))
        value = place(value).read() if suffix in IMAGE_SUFFIXES else None
    if isinstance(value, bytes | bytearray | memoryview):
        data = bytes(value)
        if is_image(data):
            return _image(title, data, notes)
        return Panel(title, True, _spectrogram(data)) if is_sound(data) else None
    if isinstance(value, np.ndarray) and value.dtype == np.uint8 and value.ndim in (2, 3):
        is_picture = min(value.shape[:2]) > 1 and (value.ndim == 2 or value.shape[2] in (3, 4))
        return Panel(title, False, value) if is_picture else None
    return None


def _spectrogram(sound: Any) -> Any:
    """Return the log-mel spectrogram of the beginning of a sound at its own rate: (frames, n_mels) float32."""
    rates: list[int] = []

    def beginning(frames: int, rate: int) -> tuple[int, int]:
        rates.append(rate)
        return 0, min(frames, _MAX_SECONDS * rate)

    if isinstance(sound, Segment):
        read_part(sound.path, beginning)
        return LogMel(rates[0])(DecodeAudio(rates[0])(sound))
    if isinstance(sound, str | os.PathLike):
        sound = place(sound).read()
    samples, rate, _ = read_part(sound, beginning)
    return LogMel(rate)(samples.mean(axis=1))


def _image(title: str, data: bytes, notes: list[str]) -> Panel | None:
    # matplotlib does not come without it.
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data)) as image:
            return Panel(title, False, np.asarray(image.convert("RGB")))
    except OSError as error:
        notes.append(f"{title} is not drawn: {error}")
        return None


def _draw(path: Path, rows: Sequence[Sequence[Panel]]) -> None:
    columns = max(map(len, rows))
    figure = new_figure(2.2 * columns + 0.6, 2.2 * len(rows) + 0.4)
    grid = figure.subplots(len(rows), columns, squeeze=False)
    for line, panels in zip(grid, rows, strict=True):
        for axes in line[len(panels) :]:
            axes.set_visible(False)
        for axes, panel in zip(line, panels, strict=False):
            axes.set_title(panel.title, fontsize=9)
            axes.tick_params(labelsize=7)
            if panel.is_sound:
                axes.imshow(panel.values.T, origin="lower", aspect="auto", cmap="magma", interpolation="nearest")
                axes.set_xlabel("frame", fontsize=7)
                axes.set_ylabel("mel band", fontsize=7)
            else:
                axes.imshow(panel.values, cmap="gray" if panel.values.ndim == 2 else None)
                axes.set_axis_off()
    save(figure, path)
