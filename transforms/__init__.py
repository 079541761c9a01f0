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
from dataload.transforms.compose import OneOf, SomeOf, Sometimes
from dataload.transforms.crop import RandomCrop, TimeShift, TrimSilence
from dataload.transforms.decode import DecodeAudio, RandomSegment
from dataload.transforms.filters import HighPass, LowPass
from dataload.transforms.level import Clipping, Gain, Polarity
from dataload.transforms.melfeatures import MFCC, LogMel, MelSpectrogram
from dataload.transforms.mixing import CutMix, Mixup
from dataload.transforms.noise import AddNoise, RoomImpulse
from dataload.transforms.perturb import PitchShift, SpeedPerturb, TempoPerturb
from dataload.transforms.resample import Resample
from dataload.transforms.shape import Normalize, PadOrTrim
from dataload.transforms.specaugment import SpecAugment
from dataload.transforms.spectrogram import Spectrogram

__all__ = [
    "MFCC",
    "AddNoise",
    "Clipping",
    "CutMix",
    "DecodeAudio",
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
]

for _name in __all__:
    register(globals()[_name])
