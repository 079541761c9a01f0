"""SpecAugment, which hides and warps parts of features, with the policies of its paper."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from dataload.chain import RandomTransform, Spec
from dataload.errors import ChainError, ConfigError, TransformError
from dataload.memory import reused_empty
from dataload.registry import register
from dataload.transforms.checks import (
    Float32,
    Printed,
    as_float32,
    finite_float,
    natural_int,
    one_of,
    positive_float,
    store,
)

# Table 1 of the paper: W, F, m_F, T, p, m_T.
_POLICIES = {
    "LB": (80, 27, 1, 100, 1.0, 1),
    "LD": (80, 27, 2, 100, 1.0, 2),
    "SM": (40, 15, 2, 70, 0.2, 2),
    "SS": (40, 27, 2, 70, 0.2, 2),
}


@register
@dataclass(frozen=True, repr=False)
class SpecAugment(Printed, RandomTransform):
    """Hide random bands of bins and random segments of frames; warp time before, if asked to.

    Park et al., "SpecAugment: A Simple Data Augmentation Method for Automatic Speech Recognition" (2019),
    section 2: each mask draws its width from 0 to the greatest width, both included, then its place. The policies of
    its Table 1 are `SpecAugment.policy("LB")`, "LD", "SM" and "SS". The defaults are the masks of "LD" without the
    warp, with the share of the policies for short phrases.

    Time is warped along a straight line on either side of one point, which is what the paper's warp of an image does
    to the frames between its anchors, up to smoothness: frame c, at least time_warp frames from either end, moves by up
    to time_warp frames, the ends stay, and frames between are interpolated. A clip of no more than 2·time_warp frames
    is not warped.

    Args:
        n_freq_masks: number of bands.
        freq_width: greatest width of a band, in bins.
        n_time_masks: number of segments.
        time_width: greatest length of a segment, in frames.
        time_share: greatest length of a segment as a share of the frames of the clip, 0..1 (p in the paper).
        fill: what hides: a number, or "mean" for the mean of the clip (the paper's zero, once features have
            mean 0).
        time_warp: greatest distance that a frame is moved, in frames (W in the paper); 0 does not warp.

    Returns:
        (when called with a generator on (frames, bins) or (channels, frames, bins) floats) a new float32 array of the
        same shape; all channels alike.

    Raises:
        ConfigError: a number that cannot work.
        TransformError: (when called) not a (frames, bins) or (channels, frames, bins) float array.

    >>> mask = SpecAugment(n_freq_masks=1, freq_width=2, n_time_masks=0, fill=0.0)
    >>> mask(np.ones((2, 6), np.float32), np.random.default_rng(0))
    array([[1., 1., 1., 0., 0., 1.],
           [1., 1., 1., 0., 0., 1.]], dtype=float32)
    >>> SpecAugment.policy("SM")
    SpecAugment(freq_width=15, time_width=70, time_warp=40)
    """

    _: KW_ONLY
    n_freq_masks: int = 2
    freq_width: int = 27
    n_time_masks: int = 2
    time_width: int = 100
    time_share: float = 0.2
    fill: float | Literal["mean"] = "mean"
    time_warp: int = 0

    def __post_init__(self) -> None:
        for name in ("n_freq_masks", "freq_width", "n_time_masks", "time_width", "time_warp"):
            store(self, **{name: natural_int(name, getattr(self, name))})
        store(self, time_share=positive_float("time_share", self.time_share))
        if self.time_share > 1:
            raise ConfigError(f"time_share={self.time_share!r} must not be above 1")
        if self.fill != "mean":
            if isinstance(self.fill, str):
                raise ConfigError(f"fill={self.fill!r} must be a finite number or 'mean'")
            store(self, fill=finite_float("fill", self.fill))

    @classmethod
    def policy(cls, name: str, **changes: Any) -> SpecAugment:
        """Return a policy of the paper's Table 1.

        Args:
            name: "LB" (LibriSpeech basic), "LD" (LibriSpeech double), "SM" (Switchboard mild) or "SS" (Switchboard
                strong).
            **changes: arguments that replace those of the policy.

        Raises:
            ConfigError: there is no such policy, or an argument that cannot work.
        """
        one_of("name", name, tuple(_POLICIES))
        warp, freq_width, n_freq, time_width, share, n_time = _POLICIES[name]
        return cls(
            **{
                "n_freq_masks": n_freq,
                "freq_width": freq_width,
                "n_time_masks": n_time,
                "time_width": time_width,
                "time_share": share,
                "time_warp": warp,
                **changes,
            }
        )

    def __call__(self, features: npt.NDArray[np.floating[Any]], rng: np.random.Generator) -> Float32:
        """Return a copy of `features` with masks on it."""
        if isinstance(features, np.ndarray) and features.ndim not in (2, 3):
            raise TransformError(
                f"SpecAugment takes (frames, bins) or (channels, frames, bins) features but got shape {features.shape}"
            )
        source = as_float32("SpecAugment", features)
        if source.size == 0:
            return source.copy()
        fill = source.mean(dtype=np.float64) if self.fill == "mean" else self.fill
        frames, bins = source.shape[-2:]
        warped = frames > 2 * self.time_warp > 0
        out = _warp(source, self.time_warp, rng) if warped else source.copy()
        for _ in range(self.n_freq_masks):
            out[..., _mask(rng, self.freq_width, bins)] = fill
        longest = min(self.time_width, int(self.time_share * frames))
        for _ in range(self.n_time_masks):
            out[..., _mask(rng, longest, frames), :] = fill
        return out

    def output_spec(self, spec: Spec) -> Spec:
        """Return the same spec, or raise ChainError if what comes in is a waveform."""
        if spec.kind not in (None, "features"):
            raise ChainError(f"it takes (frames, bins) features but gets a {spec.kind}: put LogMel before it")
        return Spec("features", spec.sample_rate, varies=spec.varies)


def _mask(rng: np.random.Generator, longest: int, size: int) -> slice:
    width = int(rng.integers(0, min(longest, size), endpoint=True))
    start = int(rng.integers(0, size - width, endpoint=True))
    return slice(start, start + width)


def _warp(features: Float32, max_shift: int, rng: np.random.Generator) -> Float32:
    """Return (..., frames, bins) with one frame moved by up to `max_shift` frames, the others interpolated."""
    frames = features.shape[-2]
    centre = int(rng.integers(max_shift, frames - max_shift))
    target = min(max(centre + int(rng.integers(-max_shift, max_shift, endpoint=True)), 1), frames - 2)
    if target == centre:
        return features.copy()
    # Where each frame of the output is found in the input.
    place = np.interp(np.arange(frames), (0, target, frames - 1), (0, centre, frames - 1))
    before = np.minimum(place.astype(np.int64), frames - 2)
    weight = (place - before).astype(np.float32)[:, np.newaxis]
    # Told where to write, numpy checks the places unless it may clip them; none is outside.
    out, lower = (reused_empty(features.shape, np.float32) for _ in range(2))
    np.take(features, before + 1, axis=-2, out=out, mode="clip")
    np.take(features, before, axis=-2, out=lower, mode="clip")
    out -= lower
    out *= weight
    out += lower
    return out
