"""Transforms for audio on numpy arrays: `from dataload.transforms import DecodeAudio, LogMel`.

They work on one value anywhere, in a loader or in a server, and compare, print and pickle by value.
"""

if __name__ != "dataload.transforms":
    raise ImportError(
        f"this package is `dataload.transforms`, but it was imported as `{__name__}`, which would make "
        "a second copy of every class: write `from dataload.transforms import ...`"
    )

from dataload.transforms.augment import RandomCrop, SpecAugment
from dataload.transforms.chroma import Chroma
from dataload.transforms.decibels import PowerToDB
from dataload.transforms.decode import DecodeAudio
from dataload.transforms.deltas import Deltas
from dataload.transforms.energy import Energy
from dataload.transforms.melfeatures import LogMel, MelSpectrogram
from dataload.transforms.mfcc import MFCC
from dataload.transforms.normalize import Normalize
from dataload.transforms.pcen import PCEN
from dataload.transforms.preemphasis import Dither, PreEmphasis
from dataload.transforms.resample import Resample
from dataload.transforms.shape import PadOrTrim
from dataload.transforms.spectrogram import Spectrogram
from dataload.transforms.zerocrossing import ZeroCrossingRate

__all__ = [
    "MFCC",
    "PCEN",
    "Chroma",
    "DecodeAudio",
    "Deltas",
    "Dither",
    "Energy",
    "LogMel",
    "MelSpectrogram",
    "Normalize",
    "PadOrTrim",
    "PowerToDB",
    "PreEmphasis",
    "RandomCrop",
    "Resample",
    "SpecAugment",
    "Spectrogram",
    "ZeroCrossingRate",
]
