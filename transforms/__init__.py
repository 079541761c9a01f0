"""Transforms for audio on numpy arrays: `from dataload.transforms import DecodeAudio, LogMel`.

They work on one value anywhere, in a loader or in a server, and compare, print and pickle by value.
"""

if __name__ != "dataload.transforms":
    raise ImportError(
        f"this package is `dataload.transforms`, but it was imported as `{__name__}`, which would make "
        "a second copy of every class: write `from dataload.transforms import ...`"
    )

from dataload.transforms.audio.channels import MixChannels, PerChannel, SelectChannel
from dataload.transforms.audio.decode import DecodeAudio, RandomSegment
from dataload.transforms.audio.preemphasis import Dither, PreEmphasis
from dataload.transforms.audio.resample import Resample
from dataload.transforms.augment.crop import RandomCrop, TimeShift, TrimSilence
from dataload.transforms.augment.filters import HighPass, LowPass
from dataload.transforms.augment.gain import Clipping, Gain, Polarity
from dataload.transforms.augment.mixing import CutMix, Mixup
from dataload.transforms.augment.noise import AddNoise, RoomImpulse
from dataload.transforms.augment.perturb import PitchShift, SpeedPerturb, TempoPerturb
from dataload.transforms.augment.specaugment import SpecAugment
from dataload.transforms.compose import OneOf, SomeOf, Sometimes
from dataload.transforms.length import PadOrTrim
from dataload.transforms.normalize import Normalize
from dataload.transforms.spectral.chroma import Chroma
from dataload.transforms.spectral.decibels import PowerToDB
from dataload.transforms.spectral.deltas import Deltas
from dataload.transforms.spectral.energy import Energy
from dataload.transforms.spectral.logmel import LogMel, MelSpectrogram
from dataload.transforms.spectral.mfcc import MFCC
from dataload.transforms.spectral.pcen import PCEN
from dataload.transforms.spectral.spectrogram import Spectrogram
from dataload.transforms.spectral.zerocrossing import ZeroCrossingRate

__all__ = [
    "MFCC",
    "PCEN",
    "AddNoise",
    "Chroma",
    "Clipping",
    "CutMix",
    "DecodeAudio",
    "Deltas",
    "Dither",
    "Energy",
    "Gain",
    "HighPass",
    "LogMel",
    "LowPass",
    "MelSpectrogram",
    "MixChannels",
    "Mixup",
    "Normalize",
    "OneOf",
    "PadOrTrim",
    "PerChannel",
    "PitchShift",
    "Polarity",
    "PowerToDB",
    "PreEmphasis",
    "RandomCrop",
    "RandomSegment",
    "Resample",
    "RoomImpulse",
    "SelectChannel",
    "SomeOf",
    "Sometimes",
    "SpecAugment",
    "Spectrogram",
    "SpeedPerturb",
    "TempoPerturb",
    "TimeShift",
    "TrimSilence",
    "ZeroCrossingRate",
]
