"""The numbers and conventions of other packages, as tables: a package is one paragraph here and no condition anywhere.

An entry that follows from others is a function of them, called with what the user gave: `preset("kaldi",
sample_rate=8_000)` has a window of 200 samples.

    librosa      0.10 and later: `feature.melspectrogram`, `power_to_db`, `feature.mfcc`
    torchaudio   2.x: `transforms.Spectrogram`, `MelSpectrogram` with `AmplitudeToDB`, `MFCC`
    kaldi        `compute-fbank-feats` and `compute-mfcc-feats` without dither, on waveforms in ±1; snip_edges=false is
                 center="hop", frame_count="round". Dither is a transform of its own: `Dither(1 / 32768)` before it
    tf.signal    the recipe in the documentation of `mfccs_from_log_mel_spectrograms`; pad_end is frame_count="ceil"
    whisper      `log_mel_spectrogram`: put PadOrTrim(480_000) before it; n_mels=128 for large-v3
    nemo         `AudioToMelSpectrogramPreprocessor` of the published models, as in evaluation (no dither)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import FunctionType
from typing import Any

from dataload.errors import ConfigError
from dataload.transforms.normalize import Normalize

Parameters = Mapping[str, Any]


def _power_of_two(p: Parameters) -> int:
    return 1 << (int(p["win_length"]) - 1).bit_length()


_LIBROSA: Parameters = {
    "sample_rate": 22_050,
    "n_fft": 2048,
    "win_length": lambda p: p["n_fft"],
    "hop_length": lambda p: p["win_length"] // 4,
    "pad_mode": "constant",
}
_LIBROSA_MEL = {**_LIBROSA, "n_mels": 128}
_LIBROSA_LOG = {**_LIBROSA_MEL, "log": "db", "floor": 1e-10, "top_db": 80.0}

_TORCHAUDIO: Parameters = {
    "sample_rate": 16_000,
    "n_fft": 400,
    "win_length": lambda p: p["n_fft"],
    "hop_length": lambda p: p["win_length"] // 2,
}
_TORCHAUDIO_MEL = {
    **_TORCHAUDIO,
    "n_mels": 128,
    "f_max": lambda p: float(p["sample_rate"] // 2),
    "mel_scale": "htk",
    "norm": None,
}
_TORCHAUDIO_LOG = {**_TORCHAUDIO_MEL, "log": "db", "floor": 1e-10, "top_db": None}

_KALDI: Parameters = {
    "sample_rate": 16_000,
    "win_length": lambda p: p["sample_rate"] * 25 // 1000,
    "hop_length": lambda p: p["sample_rate"] * 10 // 1000,
    "n_fft": _power_of_two,
    "window": "povey",
    "periodic": False,
    "window_align": "left",
    "center": False,
    "pad_mode": "symmetric",
    "scale": 32768.0,
    "remove_dc": True,
}
_KALDI_MEL = {
    **_KALDI,
    "pre_emphasis": 0.97,
    "pre_emphasis_on": "frame",
    "n_mels": 23,
    "f_min": 20.0,
    "mel_scale": "htk",
    "norm": None,
    "triangles": "mel",
}
_KALDI_LOG = {**_KALDI_MEL, "log": "ln", "floor": 2.0**-23, "top_db": None}

_TF: Parameters = {
    "sample_rate": 16_000,
    "win_length": 1024,
    "hop_length": 256,
    "n_fft": _power_of_two,
    "periodic": lambda p: p["win_length"] % 2 == 0,  # its windows of odd lengths are symmetric
    "window_align": "left",
    "center": False,
    "pad_mode": "constant",
    "power": 1.0,
}
_TF_MEL = {
    **_TF,
    "n_mels": 80,
    "f_min": 80.0,
    "f_max": 7_600.0,
    "mel_scale": "htk",
    "norm": None,
    "triangles": "mel",
}
_TF_LOG = {**_TF_MEL, "log": "ln", "offset": 1e-6, "top_db": None}

_WHISPER_LOG: Parameters = {
    "sample_rate": 16_000,
    "n_fft": 400,
    "win_length": lambda p: p["n_fft"],
    "hop_length": 160,
    "frame_count": "floor",
    "n_mels": 80,
    "log": "log10",
    "floor": 1e-10,
    "top_db": 80.0,
    "normalize": Normalize(-4.0, 4.0),
}

_NEMO_LOG: Parameters = {
    "sample_rate": 16_000,
    "win_length": lambda p: p["sample_rate"] * 25 // 1000,
    "hop_length": lambda p: p["sample_rate"] * 10 // 1000,
    "n_fft": _power_of_two,
    "periodic": False,
    "pad_mode": "constant",
    "frame_count": "floor",
    "pre_emphasis": 0.97,
    "n_mels": 80,
    "log": "ln",
    "offset": 2.0**-24,
    "normalize": Normalize(ddof=1),
}

# By transform, then by package.
PRESETS: Mapping[str, Mapping[str, Parameters]] = {
    "Spectrogram": {"librosa": _LIBROSA, "torchaudio": _TORCHAUDIO, "tf.signal": _TF},
    "MelSpectrogram": {
        "librosa": _LIBROSA_MEL,
        "torchaudio": _TORCHAUDIO_MEL,
        "kaldi": _KALDI_MEL,
        "tf.signal": _TF_MEL,
    },
    "LogMel": {
        "librosa": _LIBROSA_LOG,
        "torchaudio": _TORCHAUDIO_LOG,
        "kaldi": _KALDI_LOG,
        "tf.signal": _TF_LOG,
        "whisper": _WHISPER_LOG,
        "nemo": _NEMO_LOG,
    },
    "MFCC": {
        "librosa": {**_LIBROSA_LOG, "n_mfcc": 20},
        "torchaudio": {**_TORCHAUDIO_LOG, "top_db": 80.0, "n_mfcc": 40},
        "kaldi": {**_KALDI_LOG, "n_mfcc": 13, "lifter": 22.0, "use_energy": True},
        "tf.signal": {**_TF_LOG, "n_mfcc": 13, "dct_norm": "htk"},
    },
    "Chroma": {"librosa": _LIBROSA},
    "Energy": {"kaldi": {**_KALDI, "n_fft": lambda p: p["win_length"], "window": "rectangular", "floor": 2.0**-23}},
}


def resolve(transforms: Sequence[str], preset: str, given: Parameters) -> dict[str, Any]:
    """Return the parameters of a preset.

    Args:
        transforms: names of the transform and of its bases; the first with presets counts.
        preset: name of the package.
        given: parameters that replace those of the preset.

    Raises:
        ConfigError: no such preset, or none of this transform; the message lists what there is.

    >>> resolve(["Spectrogram"], "librosa", {"n_fft": 512})["hop_length"]
    128
    """
    presets: Mapping[str, Parameters] = next((PRESETS[name] for name in transforms if name in PRESETS), {})
    if preset not in presets:
        has = ", ".join(map(repr, presets)) or "none"
        others = [name for name, table in PRESETS.items() if preset in table]
        known = f"; {preset!r} is one of {', '.join(others)}" if others else ""
        raise ConfigError(f"there is no preset {preset!r} of {transforms[0]}: there is {has}{known}")
    resolved = dict(given)
    for name, value in presets[preset].items():
        if name not in resolved:
            resolved[name] = value(resolved) if isinstance(value, FunctionType) else value
    return resolved
