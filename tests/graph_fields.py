"""Every field of every transform with a counterpart in graphs, changed: the counterpart is equal, or it is refused."""

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from graph_chains import apart

import dataload.transforms
from dataload import Chain
from dataload.errors import ChainError, ConfigError
from dataload.transforms import MFCC, LogMel, MelSpectrogram, Normalize, PadOrTrim, Resample, Spectrogram

KINDS = [
    kind for kind in map(dataload.transforms.__dict__.get, dataload.transforms.__all__) if hasattr(kind, "graph_steps")
]

_FRAMING = {
    "sample_rate": [16_000],
    "n_fft": [301, 512],
    "win_length": [151, 256],
    "hop_length": [60],
    "window": ["hamming", "rectangular", "povey", "blackman"],
    "periodic": [False],
    "window_align": ["left"],
    "center": [False, "hop"],
    "pad_mode": ["symmetric", "edge", "constant"],
    "frame_count": ["floor", "round", "ceil"],
    "scale": [32768.0],
    "remove_dc": [True],
    "pre_emphasis": [0.0, 0.97],
    "pre_emphasis_on": ["frame"],
    "power": [1.0, 1.5],
}
_MEL = {
    **_FRAMING,
    "n_mels": [11],
    "f_min": [100.0],
    "f_max": [3_000.0],
    "mel_scale": ["htk"],
    "norm": [None],
    "triangles": ["mel"],
}
_LOG = {
    **_MEL,
    "log": ["log10", "db"],
    "offset": [1e-3],
    "floor": [1e-4],
    "top_db": [30.0],
    "normalize": [Normalize(), Normalize(-4.0, 2.0), Normalize(ddof=9)],
}
_MFCC = {**_LOG, "log": ["ln", "log10"], "n_mfcc": [5], "dct_norm": ["htk"], "lifter": [22.0], "use_energy": [True]}
_NUMBERS = {"n_fft": 256, "win_length": 200, "hop_length": 80, "pre_emphasis": 0.5}
_FEW = {Spectrogram: {}, MelSpectrogram: {"n_mels": 12}, LogMel: {"n_mels": 12}, MFCC: {"n_mels": 12, "n_mfcc": 6}}
_FEATURES = LogMel(8_000, n_mels=3, **_NUMBERS)

# (what stands before it, the transform, values for its fields)
_CHANGES = [
    ([], Spectrogram(8_000, **_NUMBERS), _FRAMING),
    ([], MelSpectrogram(8_000, n_mels=12, **_NUMBERS), _MEL),
    ([], LogMel(8_000, n_mels=12, **_NUMBERS), _LOG),
    ([], MFCC(8_000, n_mels=12, n_mfcc=6, top_db=None, **_NUMBERS), _MFCC),
    # Where frames are centred, both alignments cut the same samples.
    *(([], kind(8_000, center=False, **_NUMBERS, **few), {"window_align": ["left"]}) for kind, few in _FEW.items()),
    ([], PadOrTrim(4_000), {"length": [3_000], "value": [0.5]}),
    ([_FEATURES], PadOrTrim(50), {"length": [30], "value": [0.5]}),
    ([], Normalize(), {"eps": [0.1], "ddof": [500]}),
    ([_FEATURES], Normalize(), {"eps": [0.1], "ddof": [9]}),
    ([], Normalize(0.1, 2.0), {"mean": [0.2], "std": [0.5]}),
    ([_FEATURES], Normalize(0.1, 2.0), {"mean": [0.2, (1.0, 2.0, 3.0)], "std": [0.5, (1.0, 2.0, 3.0)]}),
    ([], Resample(8_000, 8_000), {"orig_rate": [16_000], "new_rate": [16_000]}),
]


@dataclass(frozen=True)
class Change:
    """A transform with one field changed, and what stands before it in a chain."""

    before: list
    transform: Any
    field: str
    value: Any

    def row(self):
        return [*self.before, replace(self.transform, **{self.field: self.value})]

    def __str__(self):
        behind = " behind features" if self.before else ""
        return f"{type(self.transform).__name__}.{self.field}={self.value!r}{behind}"


CHANGES = [
    Change(before, transform, field, value)
    for before, transform, values in _CHANGES
    for field, several in values.items()
    for value in several
]
# What no graph does; everything else must be equal.
REFUSED = {("MFCC", "use_energy"), ("Resample", "orig_rate"), ("Resample", "new_rate")}
# The lengths follow from the rate, and are given here.
WITHOUT_EFFECT = {("Spectrogram", "sample_rate")}


def waveforms():
    """Return noise on a direct current that becomes very quiet, and then silent, in lengths that frames round."""
    rng = np.random.default_rng(0)
    found = []
    for samples in (3_200, 3_220, 3_333):
        x = 0.05 + rng.normal(0.0, 0.1, samples)
        x[samples // 2 :] *= 1e-3
        x[-400:] = 0.0
        found.append(x.astype(np.float32))
    return found


def rules():
    """Return by transform the fields that are changed."""
    return {kind: {change.field for change in CHANGES if type(change.transform) is kind} for kind in KINDS}


def field_names(kind):
    return {field.name for field in fields(kind)}


def check(change, to_module):
    """Raise AssertionError unless the counterpart equals the chain, or is refused where no graph can do it.

    Args:
        change: one of CHANGES.
        to_module: returns from transforms a function on (samples,) float32 arrays, or refuses them.
    """
    row = change.row()
    try:
        run = to_module(row)
    except (ConfigError, ChainError) as error:
        assert (type(change.transform).__name__, change.field) in REFUSED, error
        assert "has no counterpart in a graph" in str(error)
        return
    for waveform in waveforms():
        assert apart(run(waveform), row, waveform) < 1e-4


def has_effect(change):
    """Return whether the chain gives other values than without the change, by more than `check` allows."""
    row = [*change.before, change.transform]
    for waveform in waveforms():
        after = Chain(change.row())(waveform)
        if after.shape != Chain(row)(waveform).shape or apart(after, row, waveform) > 1e-3:
            return True
    return False
