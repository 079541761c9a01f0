"""The one blocked pass that every spectral transform makes over the frames of its clips.

Apart from the transforms because all of the speed is decided here: frames of one clip or of many are gathered
in a block that stays in the cache, transformed together, and reduced to what the caller keeps before the next
block.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from dataload.errors import TransformError
from dataload.memory import reused_empty
from dataload.transforms import fast
from dataload.transforms.checks import Float32, as_waveform
from dataload.transforms.framing import Complex64, Framing
from dataload.transforms.scratch import scratch
from dataload.transforms.windows import window


def transform_frames(
    owner: str,
    clips: Sequence[Any],
    framing: Framing,
    width: int,
    reduce: Callable[[Complex64, npt.NDArray[Any]], None],
    dtype: npt.DTypeLike = np.float32,
) -> list[npt.NDArray[Any]]:
    """Cut clips into frames, transform them block by block and let `reduce` write what is kept of each block.

    A block takes frames from as many clips as it needs to be full, so short clips cost no more calls than
    long ones, and a long clip never leaves the cache: there is no threshold between the two.

    Args:
        owner: name of the transform, for messages.
        clips: (samples,) float arrays.
        framing: how to cut.
        width: columns of the output.
        reduce: called as reduce(spectrum, out) with (rows, n_fft // 2 + 1) complex64 and (rows, width)
            `dtype`.
        dtype: of the output.

    Returns:
        One (frames, width) array per clip, each with memory of its own.

    Raises:
        TransformError: a clip that is no waveform, or too short.
    """
    waveforms = [_checked(owner, clip, framing) for clip in clips]
    outputs = [reused_empty((framing.n_frames(len(x)), width), dtype) for x in waveforms]
    shape = window(framing.window, framing.win_length, n_fft=framing.n_fft)
    frames = scratch("frames", (framing.block, framing.n_fft))
    fill, rfft, _ = fast.steps()
    size, filled = len(frames), 0
    pieces: list[npt.NDArray[Any]] = []
    for waveform, output in zip(waveforms, outputs, strict=True):
        done, total = 0, len(output)
        while done < total:
            rows = min(size - filled, total - done)
            fill(waveform, framing, shape, done, frames[filled : filled + rows])
            pieces.append(output if rows == total else output[done : done + rows])
            filled, done = filled + rows, done + rows
            if filled == size:
                _keep(rfft(frames), pieces, reduce)
                pieces, filled = [], 0
    if pieces:
        _keep(rfft(frames[:filled]), pieces, reduce)
    return outputs


def _keep(
    spectrum: Complex64, pieces: list[npt.NDArray[Any]], reduce: Callable[[Complex64, npt.NDArray[Any]], None]
) -> None:
    if len(pieces) == 1:
        reduce(spectrum, pieces[0])
        return
    whole = scratch("rows", (len(spectrum), pieces[0].shape[1]), pieces[0].dtype)
    reduce(spectrum, whole)
    start = 0
    for piece in pieces:
        stop = start + len(piece)
        piece[...] = whole[start:stop]
        start = stop


def _checked(owner: str, clip: Any, framing: Framing) -> Float32:
    waveform = as_waveform(owner, clip)
    n = len(waveform)
    if not framing.center and n < framing.n_fft:
        raise TransformError(
            f"{owner} got {n} samples but center=False needs at least n_fft={framing.n_fft}: "
            f"put PadOrTrim({framing.n_fft}) or longer before it, or use center=True"
        )
    if framing.center and framing.pad_mode == "reflect" and n <= framing.pad:
        raise TransformError(
            f"{owner} got {n} samples but pad_mode='reflect' needs at least {framing.pad + 1} "
            f"(more than n_fft // 2 = {framing.pad}): put PadOrTrim before it, or use pad_mode='constant'"
        )
    return waveform
