"""The one pass over the frames of clips that every spectral transform makes, in chunks.

A chunk holds frames of one clip or of many and stays in the cache: it is filled, transformed, and reduced to what the
caller keeps before the next one. The speed of all features is decided here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from dataload.errors import TransformError
from dataload.memory import reused_empty
from dataload.transforms.checks import Float32, as_waveform, check_finite
from dataload.transforms.scratch import scratch
from dataload.transforms.spectral.framing import Complex64, Framing
from dataload.transforms.spectral.kernels import kernels

# Half of what float32 can hold is room enough for rounding.
_MAX_POWER = 1e38


def transform_frames(
    owner: str,
    waveforms: Sequence[Float32],
    framing: Framing,
    width: int,
    reduce: Callable[[Complex64, npt.NDArray[Any]], None],
    dtype: npt.DTypeLike = np.float32,
) -> list[npt.NDArray[Any]]:
    """Cut waveforms into frames, transform them chunk by chunk and let `reduce` write what is kept of each chunk.

    A chunk takes frames from as many clips as it needs to be full. So short clips cost no more calls than long ones, a
    long clip never leaves the cache, and there is no threshold between the two.

    Args:
        owner: name of the transform, for messages.
        waveforms: (samples,) each, as `check_length` returns them.
        framing: how to cut.
        width: columns of the output.
        reduce: called as reduce(spectrum, out) with (rows, n_fft // 2 + 1) complex64 and (rows, width)
            `dtype`.
        dtype: of the output.

    Returns:
        One (frames, width) array per waveform, each with memory of its own.

    Raises:
        TransformError: a sample that is not finite, or samples whose power float32 cannot hold.
    """
    _check_loudness(owner, waveforms, framing)
    outputs = [reused_empty((framing.n_frames(len(x)), width), dtype) for x in waveforms]
    window = framing.analysis_window
    frames = scratch("frames", (framing.chunk, framing.n_fft))
    fill, rfft, _ = kernels()
    size, filled = len(frames), 0
    parts: list[npt.NDArray[Any]] = []
    for waveform, output in zip(waveforms, outputs, strict=True):
        done, total = 0, len(output)
        while done < total:
            rows = min(size - filled, total - done)
            fill(waveform, framing, window, done, frames[filled : filled + rows])
            parts.append(output if rows == total else output[done : done + rows])
            filled, done = filled + rows, done + rows
            if filled == size:
                _keep(_finite(owner, rfft(frames), waveforms), parts, reduce)
                parts, filled = [], 0
    if parts:
        _keep(_finite(owner, rfft(frames[:filled]), waveforms), parts, reduce)
    return outputs


def _finite(owner: str, spectrum: Complex64, waveforms: Sequence[Float32]) -> Complex64:
    # A sample that is not finite spreads to every bin of its frames, so one bin is enough to look at.
    if not np.isfinite(spectrum[:, 0].real).all():
        for waveform in waveforms:
            check_finite(owner, waveform)
        raise too_large(owner, waveforms)
    return spectrum


def _check_loudness(owner: str, waveforms: Sequence[Float32], framing: Framing) -> None:
    # No bin of a frame has more power than all samples of the clip times the length of a frame. Where that sum is
    # itself beyond float32, or NaN, the comparison fails.
    factor = framing.n_fft * max(1.0, framing.scale) ** 2
    with np.errstate(over="ignore", invalid="ignore"):
        if all(float(np.dot(waveform, waveform)) * factor < _MAX_POWER for waveform in waveforms):
            return
    for waveform in waveforms:
        check_finite(owner, waveform)
    raise too_large(owner, waveforms)


def too_large(owner: str, waveforms: Sequence[Float32]) -> TransformError:
    """Return the error for samples that are finite but whose power float32 cannot hold."""
    loudest = max(float(np.abs(waveform).max()) for waveform in waveforms)
    return TransformError(f"{owner} got samples of up to {loudest:g}, too large for float32: scale them to ±1")


def _keep(
    spectrum: Complex64, parts: list[npt.NDArray[Any]], reduce: Callable[[Complex64, npt.NDArray[Any]], None]
) -> None:
    if len(parts) == 1:
        reduce(spectrum, parts[0])
        return
    whole = scratch("rows", (len(spectrum), parts[0].shape[1]), parts[0].dtype)
    reduce(spectrum, whole)
    start = 0
    for part in parts:
        stop = start + len(part)
        part[...] = whole[start:stop]
        start = stop


def check_length(owner: str, clip: Any, framing: Framing) -> Float32:
    """Return a clip as a waveform, or raise TransformError if it is none or too short for these frames."""
    waveform = as_waveform(owner, clip)
    n = len(waveform)
    if framing.n_frames(n) == 0:
        reason, minimum = _minimum(framing)
        raise TransformError(
            f"{owner} got {n} samples but {reason}: put PadOrTrim({minimum}) or longer before it, or use center=True"
        )
    if framing.pad_mode == "reflect" and n <= (over := framing.overhang(n)):
        raise TransformError(
            f"{owner} got {n} samples but pad_mode='reflect' needs at least {over + 1} "
            f"(more than the {over} that frames reach over an end): "
            "put PadOrTrim before it, or use pad_mode='constant'"
        )
    return waveform


def _minimum(framing: Framing) -> tuple[str, int]:
    """Return which parameters demand how many samples for a frame, and how many."""
    if framing.frame_count == "whole":
        name = "n_fft" if framing.window_align == "center" else "win_length"
        minimum = framing.length - 2 * framing.pad
        return f"center={framing.center} needs at least {name}={framing.length}", minimum
    minimum = framing.hop_length - {"floor": 0, "round": framing.hop_length // 2}.get(framing.frame_count, 0)
    return f"frame_count={framing.frame_count!r} needs at least {minimum} (hop_length={framing.hop_length})", minimum
