"""Mixup and CutMix: new samples out of two, on the collated batch and its labels.

Both mix each sample with the one before it in the batch, and the first with the last, as torchvision does: in a
shuffled batch that is a random partner, and it is done in the memory of the batch, with one row to spare.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dataload.chain import RandomBatchTransform
from dataload.errors import ConfigError, FieldError, TransformError
from dataload.memory import Allocator, aligned_empty
from dataload.registry import register
from dataload.samples import Field, get_field, replace_field
from dataload.transforms.augment.base import probability
from dataload.transforms.checks import Float32, Printed, positive_float, positive_int, store

Array = npt.NDArray[Any]


@dataclass(frozen=True, repr=False)
class _Mixing(Printed, RandomBatchTransform):
    num_classes: int
    field: Field = "audio"
    label: Field = "label"
    _: KW_ONLY
    alpha: float = 1.0
    p: float = 1.0
    lengths: Field | None = None

    def __post_init__(self) -> None:
        store(self, num_classes=positive_int("num_classes", self.num_classes))
        store(self, alpha=positive_float("alpha", self.alpha), p=probability("p", self.p))
        for name in ("field", "label"):
            if isinstance(getattr(self, name), bool) or not isinstance(getattr(self, name), str | int):
                raise ConfigError(f"{name}={getattr(self, name)!r} must be the name or the position of a field")
        if self.field == self.label:
            raise ConfigError(f"field={self.field!r} and label={self.label!r} must be two fields")

    def __call__(self, batch: Any, rng: np.random.Generator, *, alloc: Allocator = aligned_empty) -> Any:
        """Return the batch with mixed samples, and labels as targets, (batch, num_classes) float32.

        The arrays of the samples and of the lengths are changed in place.
        """
        x, labels = get_field(batch, self.field), get_field(batch, self.label)
        owner = type(self).__name__
        if not isinstance(x, np.ndarray) or x.ndim < 2 or x.dtype.kind != "f":
            found = f"{x.dtype} {x.shape}" if isinstance(x, np.ndarray) else type(x).__name__
            raise TransformError(f"{owner} takes floats (batch, ...) in field {self.field!r} but got {found}")
        targets = self._targets(owner, labels, len(x), alloc)
        if rng.random() < self.p:
            kept = self._mix(x, float(rng.beta(self.alpha, self.alpha)), rng)
            _mix_rows(targets, kept)
            lengths = self._lengths(batch)
            if lengths is not None:
                np.maximum(lengths, np.roll(lengths, 1), out=lengths)
        return replace_field(batch, self.label, targets)

    @abstractmethod
    def _mix(self, x: Array, share: float, rng: np.random.Generator) -> float:
        """Mix about `share` of every row with the rest of the one before it; return the share that it came to."""

    def _targets(self, owner: str, labels: Any, size: int, alloc: Allocator) -> Float32:
        if not isinstance(labels, np.ndarray):
            raise TransformError(
                f"{owner} takes an array of labels in field {self.label!r}: got {type(labels).__name__}"
            )
        targets: Float32 = alloc((size, self.num_classes), np.dtype(np.float32))
        if labels.dtype.kind == "f" and labels.shape == targets.shape:
            targets[...] = labels
            return targets
        if labels.dtype.kind not in "iu" or labels.shape != (size,):
            raise TransformError(
                f"{owner} takes labels (batch,) as integers, or targets {targets.shape} as floats, in field "
                f"{self.label!r} but got {labels.dtype} {labels.shape}"
            )
        if size and not 0 <= labels.min() <= labels.max() < self.num_classes:
            raise TransformError(
                f"{owner} takes labels from 0 to num_classes - 1 = {self.num_classes - 1} in field {self.label!r} but "
                f"got {labels.min()} to {labels.max()}"
            )
        targets[...] = 0.0
        targets[np.arange(size), labels] = 1.0
        return targets

    def _lengths(self, batch: Any) -> Array | None:
        name = f"{self.field}_lengths" if self.lengths is None else self.lengths
        try:
            found = get_field(batch, name)
        except FieldError:
            if self.lengths is not None:
                raise
            return None
        return found if isinstance(found, np.ndarray) else None


@register
@dataclass(frozen=True, repr=False)
class Mixup(_Mixing):
    """Mix every sample of a batch with another, and their labels in the same shares.

    Zhang et al., "mixup: Beyond Empirical Risk Minimization" (ICLR 2018), with one share for the whole batch and with
    targets like those of `torchvision.transforms.v2.MixUp` and timm: a cross entropy that takes probabilities works on
    them, `torch.nn.functional.cross_entropy` among others.

    A padded field is mixed with its padding, which counts as silence; its lengths become the greater of the two.

    Args:
        num_classes: number of classes.
        field: what is mixed: floats (batch, ...).
        label: the labels: integers (batch,), or targets (batch, num_classes), of a CutMix before it for example.
        alpha: the share is drawn from the Beta(alpha, alpha) distribution: 1 makes all equally likely, 0.2 mostly
            little of one of the two.
        p: how likely a batch is mixed at all; if it is not, the labels become targets all the same.
        lengths: field of the lengths of padded samples; None takes `<field>_lengths` if that is there.

    Returns:
        (when called with a generator on a batch) the batch with `field` mixed in place and `label` replaced by
        (batch, num_classes) float32.

    Raises:
        ConfigError: a number that cannot work.
        FieldError: (when called) the batch has no such field.
        TransformError: (when called) what is to be mixed is no floats, or labels are out of range.

    >>> batch = {"audio": np.array([[0.0], [1.0]]), "label": np.array([0, 1])}
    >>> Mixup(2)(batch, np.random.default_rng(0))["label"].round(2)
    array([[0.87, 0.13],
           [0.13, 0.87]], dtype=float32)
    """

    def _mix(self, x: Array, share: float, rng: np.random.Generator) -> float:
        _mix_rows(x, share)
        return share


@register
@dataclass(frozen=True, repr=False)
class CutMix(_Mixing):
    """Replace a box of every sample of a batch by the same box of another, and mix their labels by its area.

    Yun et al., "CutMix: Regularization Strategy to Train Strong Classifiers with Localizable Features" (ICCV 2019), one
    box for the whole batch, as in `torchvision.transforms.v2.CutMix`: its sides are the square root of 1 - share of
    those of the sample, its centre lies anywhere, and what reaches beyond the edge is cut off. Along one axis it is
    a segment of 1 - share of it.

    A padded field is cut as it is, padding included; its lengths become the greater of the two.

    Args:
        num_classes, field, label, alpha, p, lengths: as in `Mixup`.
        axes: which axes of a sample the box has; the others are replaced whole. (0,) replaces a segment of time of
            waveforms and features, (0, 1) a segment of time in a band of bins, or of an image (height, width, ...),
            (1, 2) of an image (channels, height, width).

    Returns:
        (when called with a generator on a batch) the batch with `field` mixed in place and `label` replaced by
        (batch, num_classes) float32.

    Raises:
        ConfigError: a number that cannot work, or no axes.
        FieldError: (when called) the batch has no such field.
        TransformError: (when called) what is to be mixed is no floats or has no such axis, or labels are out of range.

    >>> batch = {"audio": np.repeat([[0.0], [1.0]], 8, axis=1), "label": np.array([0, 1])}
    >>> mixed = CutMix(2)(batch, np.random.default_rng(3))
    >>> mixed["audio"], mixed["label"]
    (array([[0., 0., 0., 1., 0., 0., 0., 0.],
           [1., 1., 1., 0., 1., 1., 1., 1.]]), array([[0.875, 0.125],
           [0.125, 0.875]], dtype=float32))
    """

    _: KW_ONLY
    axes: tuple[int, ...] = (0,)

    def __post_init__(self) -> None:
        super().__post_init__()
        axes = tuple(self.axes) if isinstance(self.axes, tuple | list) else ()
        if not axes or any(isinstance(axis, bool) or not isinstance(axis, int) or axis < 0 for axis in axes):
            raise ConfigError(f"axes={self.axes!r} must be one or more axes of a sample from 0 up, such as (0,)")
        if len(set(axes)) != len(axes):
            raise ConfigError(f"axes={self.axes!r} must not name an axis twice")
        store(self, axes=axes)

    def _mix(self, x: Array, share: float, rng: np.random.Generator) -> float:
        if max(self.axes) >= x.ndim - 1:
            raise TransformError(f"CutMix has axes={self.axes} but a sample of field {self.field!r} is {x.shape[1:]}")
        box: list[slice] = [slice(None)] * (x.ndim - 1)
        replaced = 1.0
        for axis in self.axes:
            size = x.shape[axis + 1]
            half = 0.5 * size * (1.0 - share) ** (1 / len(self.axes))
            centre = rng.uniform(0, size)
            start, stop = max(0, round(centre - half)), min(size, round(centre + half))
            box[axis] = slice(start, stop)
            replaced *= (stop - start) / max(size, 1)
        for row, other in _partners(x[(slice(None), *box)]):
            row[...] = other
        return 1.0 - replaced


def _partners(x: Array) -> Iterator[tuple[Array, Array]]:
    """Yield every row with the one before it as it was, the first with the last; rows may be changed as they come."""
    if len(x) > 1:
        last = x[-1].copy()
        for i in range(len(x) - 1, 0, -1):
            yield x[i], x[i - 1]
        yield x[0], last


def _mix_rows(x: Array, share: float) -> None:
    """Make every row share·row + (1 - share)·the one before it, in place."""
    rest = np.empty(x.shape[1:], x.dtype)
    for row, other in _partners(x):
        np.multiply(other, x.dtype.type(1.0 - share), out=rest)
        np.multiply(row, x.dtype.type(share), out=row)
        np.add(row, rest, out=row)
