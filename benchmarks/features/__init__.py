"""`python -m benchmarks features`: each feature next to the packages that have it, as data.

Nothing is loaded here: one call on one thread is timed. Every system has a module of its own in this folder, whose
table `CALLS` has a line for each row that it can do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from benchmarks.goals import Goal

Call = Callable[[], Any]


def on(function: Callable[[Any], Any], prepare: Callable[[Any], Any] | None = None) -> Callable[[Any], Call]:
    """Return what makes the timed call of a row from its sound.

    Args:
        function: is timed.
        prepare: gives `function` the sound in the form that it takes, which is not timed.
    """
    return lambda sound: partial(function, prepare(sound) if prepare else sound)


def each(function: Callable[[Any], Any]) -> Callable[[Any], list[Any]]:
    """Return `function` for a list of clips."""
    return lambda clips: [function(clip) for clip in clips]


@dataclass(frozen=True)
class Row:
    """One feature.

    Attributes:
        name: on the command line and in the tables `CALLS`.
        title: what is computed.
        sound: "speech" (10 s at 16 kHz), "music" (10 s at 22.05 kHz), "clips" (64 of 0.3-0.5 s at 8 kHz), "mels"
            (1001 frames of 80 bins).
    """

    name: str
    title: str
    sound: str = "speech"


ROWS = (
    Row("spectrogram", "power spectrogram, 400/160"),
    Row("istft", "inverse STFT, 400/160"),
    Row("mel", "mel spectrogram, 400/160/80"),
    Row("log_mel", "log-mel, 400/160/80, each package's own conventions"),
    Row("log_mel_clips", "log-mel, 200/80/40, 64 short clips", "clips"),
    Row("log_mel_librosa", "log-mel as librosa, 2048/512/128", "music"),
    Row("log_mel_kaldi", "log-mel as Kaldi, 400/160/80"),
    Row("log_mel_tf", "log-mel as tf.signal, 1024/256/80"),
    Row("log_mel_whisper", "log-mel as Whisper, 400/160/80"),
    Row("mfcc", "MFCC, 400/160/80, 13 coefficients, dB"),
    Row("mfcc_kaldi", "MFCC as Kaldi, 400/160/23, 13 coefficients"),
    Row("mfcc_tf", "MFCC as tf.signal, 1024/256/80, 13 coefficients"),
    Row("chroma", "chroma, 2048/512", "music"),
    Row("energy", "energy of frames, 400/160"),
    Row("zero_crossings", "zero crossing rate, 400/160"),
    Row("deltas", "deltas of 5 frames", "mels"),
    Row("deltas_kaldi", "deltas and accelerations beside the features", "mels"),
    Row("pcen", "PCEN", "mels"),
    Row("decibels", "power to dB, top_db 80", "mels"),
    Row("cmvn", "mean and variance normalisation of the utterance", "mels"),
    Row("pre_emphasis", "pre-emphasis"),
)

OURS = ("dataload", "dataload +fast")
# Name in the table -> module.
SYSTEMS = {
    "dataload": "ours",
    "dataload +fast": "ours",
    "librosa": "librosa",
    "torch.stft": "torch",
    "kaldi-native-fbank": "kaldi",
    "tf.signal": "tfsignal",
    "lhotse": "lhotse",
}


EVERY_ROW = "every row"


def _faster(ours: str, row: str, theirs: str | None, bound: float) -> Goal:
    """Return the goal that `ours` is so many times as fast as a package, or as every package."""
    return Goal(row, f"{ours} over {theirs or 'every package'}", (ours,), (theirs,) if theirs else (), bound, "speed")


GOALS = (
    _faster("dataload", EVERY_ROW, None, 1.0),
    _faster("dataload", "log_mel", "torch.stft", 1.1),
    _faster("dataload +fast", "log_mel", "torch.stft", 2.0),
    _faster("dataload", "log_mel", "kaldi-native-fbank", 5.0),
    _faster("dataload", "log_mel_kaldi", "kaldi-native-fbank", 5.0),
    _faster("dataload", "log_mel", "librosa", 2.0),
)
