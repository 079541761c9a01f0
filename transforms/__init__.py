"""Transforms for audio on numpy arrays: `from dataload.transforms import DecodeAudio, LogMel`.

They work on one value anywhere, in a loader or in a server, and compare, print and pickle by value.
"""

if __name__ != "dataload.transforms":
    raise ImportError(
        f"this package is `dataload.transforms`, but it was imported as `{__name__}`, which would make "
        "a second copy of every class: write `from dataload.transforms import ...`"
    )

from dataload.chain_json import register
from dataload.transforms.augment import RandomCrop, SpecAugment
from dataload.transforms.decode import DecodeAudio
from dataload.transforms.melfeatures import MFCC, LogMel, MelSpectrogram
from dataload.transforms.resample import Resample
from dataload.transforms.shape import Normalize, PadOrTrim
from dataload.transforms.spectrogram import Spectrogram

__all__ = [
    "MFCC",
    "DecodeAudio",
    "LogMel",
    "MelSpectrogram",
    "Normalize",
    "PadOrTrim",
    "RandomCrop",
    "Resample",
    "SpecAugment",
    "Spectrogram",
]

for _name in __all__:
    register(globals()[_name])
