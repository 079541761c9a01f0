"""`python -m benchmarks features`: each feature next to the packages that have it, as data.

Apart from the loaders' benchmarks because nothing is loaded here: one call on one thread is timed. Every system has a
module of its own in this folder, and a function for each row that it can do: what it gets it prepares, and it returns
the call that is timed.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One feature.

    Attributes:
        name: also the name of the function in a system's module.
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

# Name in the table -> module, and whether the `fast` extra is switched on.
OURS = ("dataload", "dataload +fast")
SYSTEMS = {
    "dataload": "ours",
    "dataload +fast": "ours",
    "librosa": "librosa",
    "torch.stft": "torch",
    "kaldi-native-fbank": "kaldi",
    "tf.signal": "tfsignal",
    "lhotse": "lhotse",
}


@dataclass(frozen=True)
class Goal:
    """How many times as fast `ours` must be as `theirs` on a row; None is every other package on every row."""

    ours: str
    row: str | None
    theirs: str | None
    bound: float


GOALS = (
    Goal("dataload", None, None, 1.0),
    Goal("dataload", "log_mel", "torch.stft", 1.1),
    Goal("dataload +fast", "log_mel", "torch.stft", 2.0),
    Goal("dataload", "log_mel", "kaldi-native-fbank", 5.0),
    Goal("dataload", "log_mel_kaldi", "kaldi-native-fbank", 5.0),
    Goal("dataload", "log_mel", "librosa", 2.0),
)
