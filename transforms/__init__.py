"""Transforms for audio on numpy arrays: `from dataload.transforms import DecodeAudio, LogMel`.

They work on one value anywhere, in a loader or in a server, and compare, print and pickle by value.
"""

if __name__ != "dataload.transforms":
    raise ImportError(
        f"this package is `dataload.transforms`, but it was imported as `{__name__}`, which would make "
        "a second copy of every class: write `from dataload.transforms import ...`"
    )

from dataload.chain_json import register
from dataload.transforms.channels import MixChannels, PerChannel, SelectChannel
from dataload.transforms.chroma import Chroma
from dataload.transforms.compose import OneOf, SomeOf, Sometimes
from dataload.transforms.crop import RandomCrop, TimeShift, TrimSilence
from dataload.transforms.decibels import PowerToDB
from dataload.transforms.decode import DecodeAudio, RandomSegment
from dataload.transforms.deltas import Deltas
from dataload.transforms.energy import Energy
from dataload.transforms.filters import HighPass, LowPass
from dataload.transforms.level import Clipping, Gain, Polarity
from dataload.transforms.melfeatures import LogMel, MelSpectrogram
from dataload.transforms.mfcc import MFCC
from dataload.transforms.mixing import CutMix, Mixup
from dataload.transforms.noise import AddNoise, RoomImpulse
from dataload.transforms.normalize import Normalize
from dataload.transforms.pcen import PCEN
from dataload.transforms.perturb import PitchShift, SpeedPerturb, TempoPerturb
from dataload.transforms.preemphasis import Dither, PreEmphasis
from dataload.transforms.resample import Resample
from dataload.transforms.shape import PadOrTrim
from dataload.transforms.specaugment import SpecAugment
from dataload.transforms.spectrogram import Spectrogram
from dataload.transforms.zerocrossing import ZeroCrossingRate

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

for _name in __all__:
    register(globals()[_name])
