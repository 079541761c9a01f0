"""Draws the pictures of docs/transforms.md: every transform before and after, on a voice that is made here.

    python docs/draw_transforms.py [folder]

writes one PNG per transform to docs/pictures, or to the folder. Nothing is random but what is keyed, so the same
versions draw the same pictures. It needs matplotlib: pip install "dataload[bench]".
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray
from scipy import signal

from dataload import transforms as t
from dataload.extras import require

PICTURES = Path(__file__).parent / "pictures"
RATE = 16_000
# The first three formants of men's vowels, in Hz: Peterson and Barney, "Control Methods Used in a Study of the Vowels"
# (1952), Table II.
FORMANTS = {"a": (730, 1090, 2440), "i": (270, 2290, 3010), "u": (300, 870, 2240), "e": (530, 1840, 2480)}
_BANDWIDTHS = (80, 90, 120)
Array = NDArray[Any]


@dataclass(frozen=True)
class Panel:
    """One drawing.

    Attributes:
        title: above it.
        data: a waveform (samples,) or (channels, samples), or features (frames, bins).
        kind: "wave" or "image".
        rate: samples or frames per second.
    """

    title: str
    data: Array
    kind: str = "wave"
    rate: float = RATE


def voice(vowels: str = "aiue", seconds: float = 0.35, pitch: float = 115.0, seed: int = 0) -> Array:
    """Return a voice that says syllables with pauses between them: (samples,) float32 at 16 kHz."""
    rng = np.random.default_rng(seed)
    syllables = []
    for number, vowel in enumerate(vowels):
        n = round(seconds * RATE)
        time = np.arange(n) / RATE
        # The pitch falls along the sentence, and along each syllable.
        phase = np.cumsum(pitch * (1.1 - 0.05 * number) * (1.05 - 0.3 * time)) / RATE
        pulses = np.diff(np.floor(phase), prepend=0.0)
        sound = signal.lfilter([1.0], [1.0, -0.95], pulses) + 0.01 * rng.standard_normal(n)
        for formant, bandwidth in zip(FORMANTS[vowel], _BANDWIDTHS, strict=True):
            radius = np.exp(-np.pi * bandwidth / RATE)
            sound = signal.lfilter(
                [1 - radius], [1, -2 * radius * np.cos(2 * np.pi * formant / RATE), radius**2], sound
            )
        sound *= np.sin(np.pi * np.minimum(np.arange(n) / n * 1.02, 1.0)) ** 0.5
        hiss = signal.lfilter([1, -0.9], [1], rng.standard_normal(n // 5)) * np.hanning(n // 5)
        consonant = 0.06 * hiss if number % 2 == 0 else np.zeros(n // 10)
        syllables += [
            consonant,
            0.6 * sound / np.abs(sound).max(),
            np.zeros(round((0.06 + 0.1 * (number == 1)) * RATE)),
        ]
    whole = np.concatenate([np.zeros(RATE // 5), *syllables, np.zeros(RATE // 5)])
    return (whole + 1e-3 * rng.standard_normal(len(whole))).astype(np.float32)


def room(seconds: float = 0.5, seed: int = 1) -> Array:
    """Return the impulse response of a room: an exponential decay by 60 dB over so many seconds."""
    n = round(seconds * RATE)
    tail = np.random.default_rng(seed).standard_normal(n) * np.exp(-6.9 * np.arange(n) / n)
    tail[: RATE // 250] = 0
    tail[0] = 6
    return tail.astype(np.float32)


def babble(seconds: float = 4.0) -> Array:
    """Return several voices at once."""
    n = round(seconds * RATE)
    voices = [np.resize(voice(vowels, pitch=pitch, seed=i), n) for i, (vowels, pitch) in enumerate(_SPEAKERS)]
    return np.sum([np.roll(one, 4_321 * i) for i, one in enumerate(voices)], axis=0).astype(np.float32)


_SPEAKERS = (("aeiu", 95.0), ("iuae", 180.0), ("ueia", 210.0), ("eaui", 140.0))
VOICE = voice()
STEREO = np.stack([VOICE, 0.4 * np.roll(VOICE, 4_000)])
_log_mel = t.LogMel(RATE, n_mels=64, win_length=480, n_fft=512, hop_length=320, floor=1e-6)
OTHER = voice("uaei", pitch=190.0, seed=5)[: len(VOICE)]


def wave(title: str, data: Array, rate: float = RATE) -> Panel:
    """Return a drawing of a waveform."""
    return Panel(title, data, "wave", rate)


def image(title: str, features: Array, hop: float = 0.02) -> Panel:
    """Return a drawing of features."""
    return Panel(title, features, "image", 1 / hop)


def mel(title: str, waveform: Array) -> Panel:
    """Return a drawing of a waveform's log-mel spectrogram."""
    return image(title, _log_mel(waveform))


def rng(seed: int = 0) -> np.random.Generator:
    """Return a generator for a random transform."""
    return np.random.default_rng(seed)


def heard(transform: Any, seed: int = 0, waveform: Array = VOICE) -> list[Panel]:
    """Return what a random transform makes of the voice, before and after, as spectrograms."""
    return [mel("before", waveform), mel(f"{transform!r:.60}", transform(waveform, rng(seed)))]


def seen(transform: Any, seed: int = 0, waveform: Array = VOICE) -> list[Panel]:
    """Return what a random transform makes of the voice, before and after, as waveforms."""
    return [wave("before", waveform), wave(f"{transform!r:.60}", transform(waveform, rng(seed)))]


def drawn(transform: Any, seeds: Sequence[int]) -> list[Panel]:
    """Return what several generators make of the voice."""
    return [mel("before", VOICE), *(mel(f"sample {i}", transform(VOICE, rng(seed))) for i, seed in enumerate(seeds))]


def file_of(samples: Array, rate: int) -> bytes:
    """Return the bytes of a FLAC file."""
    file = io.BytesIO()
    soundfile.write(file, samples.T, rate, format="FLAC")
    return file.getvalue()


def mixed(mixing: Any, seed: int) -> list[Panel]:
    """Return two samples of a batch, and the first of them mixed."""
    x = np.stack([_log_mel(VOICE), _log_mel(OTHER)])
    batch = mixing({"audio": x.copy(), "label": np.array([0, 1])}, rng(seed))
    shares = " + ".join(f"{share:.2f} · {name}" for share, name in zip(batch["label"][0], "AB", strict=True))
    return [image("A", x[0]), image("B", x[1]), image(f"after: {shares}", batch["audio"][0])]


def spec_augment() -> list[Panel]:
    """Return the four policies, on three times the voice, as their masks are made for clips of some seconds."""
    features = t.LogMel(RATE, n_mels=64, floor=1e-6)(np.tile(VOICE, 3))
    policies = [
        image(name, t.SpecAugment.policy(name)(features, rng(seed)), 0.01)
        for name, seed in (("LB", 22), ("LD", 8), ("SM", 13), ("SS", 5))
    ]
    return [image("before", features, 0.01), *policies]


def close(x: Array) -> Array:
    """Return a segment of the voice that is short enough to see its wave."""
    return x[5_000:5_600]


def _scale() -> Array:
    """Return the twelve notes from A one after the other, with harmonics."""
    time = np.arange(RATE // 5) / RATE
    notes = [sum(np.sin(2 * np.pi * h * 220 * 2 ** (i / 12) * time) / h for h in (1, 2, 3)) for i in range(12)]
    return np.concatenate(notes).astype(np.float32) / 4


def _curve(energy: Any) -> Array:
    """Return log-energies between -1 and 1."""
    values = energy(VOICE)[:, 0]
    return np.interp(values, (values.min(), values.max()), (-1, 1))


_in_noise = t.AddNoise(5.0)(VOICE, rng(2))
_file = file_of(np.repeat(STEREO, 3, axis=1)[:, : 3 * len(VOICE)], 48_000)
_long = file_of(np.tile(VOICE, 4), RATE)
_quiet = np.pad(VOICE, (9_000, 14_000))

DRAWINGS: dict[str, Callable[[], list[Panel]]] = {
    "DecodeAudio": lambda: [
        wave("a FLAC file: 48 kHz, stereo", np.repeat(STEREO, 3, axis=1), 48_000),
        wave("DecodeAudio(16000)", t.DecodeAudio(RATE)(_file)),
    ],
    "RandomSegment": lambda: [
        wave("a file", np.tile(VOICE, 4)),
        *(wave(f"RandomSegment(16000, 0.8), {i}", t.RandomSegment(RATE, 0.8)(_long, rng(i))) for i in range(2)),
    ],
    "Resample": lambda: [
        mel("16 kHz", VOICE),
        image(
            "Resample(16000, 8000)",
            t.LogMel(8_000, n_mels=64, win_length=240, n_fft=256, hop_length=160, floor=1e-6)(
                t.Resample(RATE, 8_000)(VOICE)
            ),
        ),
    ],
    "SelectChannel": lambda: [wave("before", STEREO), wave("SelectChannel(1)", t.SelectChannel(1)(STEREO))],
    "MixChannels": lambda: [wave("before", STEREO), wave("MixChannels()", t.MixChannels()(STEREO))],
    "PerChannel": lambda: [
        wave("before", STEREO),
        *(image(f"channel {i}", x) for i, x in enumerate(t.PerChannel(_log_mel)(STEREO))),
    ],
    "PadOrTrim": lambda: [wave("before", VOICE), wave("PadOrTrim(48000)", t.PadOrTrim(48_000)(VOICE))],
    "RandomCrop": lambda: [
        wave("before", VOICE),
        *(wave(f"RandomCrop(12000), sample {i}", t.RandomCrop(12_000)(VOICE, rng(i))) for i in range(2)),
    ],
    "TrimSilence": lambda: [wave("before", _quiet), wave("TrimSilence(16000)", t.TrimSilence(RATE)(_quiet))],
    "TimeShift": lambda: seen(t.TimeShift(0.25)),
    "Gain": lambda: seen(t.Gain(-9.0)),
    "Polarity": lambda: seen(t.Polarity(1.0), waveform=close(VOICE)),
    "Clipping": lambda: seen(t.Clipping(0.4), waveform=close(VOICE)),
    "LowPass": lambda: heard(t.LowPass(RATE, 1_000.0, order=6)),
    "HighPass": lambda: heard(t.HighPass(RATE, 1_000.0, order=6)),
    "SpeedPerturb": lambda: heard(t.SpeedPerturb((1.25,))),
    "TempoPerturb": lambda: heard(t.TempoPerturb(RATE, (1.25,))),
    "PitchShift": lambda: heard(t.PitchShift(RATE, 5.0)),
    "AddNoise": lambda: [
        mel("before", VOICE),
        mel("white noise at 10 dB", t.AddNoise(10.0)(VOICE, rng())),
        mel("voices at 5 dB", t.AddNoise(5.0, source=[babble()], sample_rate=RATE)(VOICE, rng(3))),
    ],
    "RoomImpulse": lambda: [
        mel("before", VOICE),
        mel("a room of 0.5 s", t.RoomImpulse([room()], RATE)(VOICE, rng())),
    ],
    "Sometimes": lambda: drawn(t.Sometimes(t.LowPass(RATE, 800.0, order=6), 0.5), (0, 2, 4)),
    "OneOf": lambda: drawn(
        t.OneOf([t.LowPass(RATE, 800.0, order=6), t.AddNoise(5.0), t.SpeedPerturb((1.3,))]), (2, 0, 4)
    ),
    "SomeOf": lambda: drawn(
        t.SomeOf([t.LowPass(RATE, 800.0, order=6), t.AddNoise(5.0), t.SpeedPerturb((1.3,))], 2), (0, 1, 3)
    ),
    "Spectrogram": lambda: [
        wave("before", VOICE),
        image(
            "20·log10 Spectrogram(16000, power=1.0)", 20 * np.log10(t.Spectrogram(RATE, power=1.0)(VOICE) + 1e-2), 0.01
        ),
    ],
    "MelSpectrogram": lambda: [
        wave("before", VOICE),
        image("√ MelSpectrogram(16000)", np.sqrt(t.MelSpectrogram(RATE)(VOICE)), 0.01),
    ],
    "LogMel": lambda: [wave("before", VOICE), image("LogMel(16000)", t.LogMel(RATE, floor=1e-6)(VOICE), 0.01)],
    "MFCC": lambda: [wave("before", VOICE), image("MFCC(16000)[:, 1:]", t.MFCC(RATE)(VOICE)[:, 1:], 0.01)],
    "Normalize": lambda: [
        mel("before: mean and spread differ by bin", VOICE),
        image("Normalize()", t.Normalize()(_log_mel(VOICE))),
    ],
    "Deltas": lambda: [
        image("MFCC(16000)[:, 1:]", t.MFCC(RATE)(VOICE)[:, 1:], 0.01),
        image("with Deltas()", t.Deltas()(t.MFCC(RATE)(VOICE)[:, 1:]), 0.01),
    ],
    "PowerToDB": lambda: [
        image("MelSpectrogram(16000)", t.MelSpectrogram(RATE)(VOICE), 0.01),
        image("PowerToDB(top_db=60)", t.PowerToDB(top_db=60.0)(t.MelSpectrogram(RATE)(VOICE)), 0.01),
    ],
    "PCEN": lambda: [
        mel("before, as log-mel, in noise", _in_noise),
        image("PCEN(16000)", t.PCEN(RATE)(t.MelSpectrogram(RATE, power=1.0, scale=2.0**31)(_in_noise)), 0.01),
    ],
    "Chroma": lambda: [
        mel("a scale, as log-mel", _scale()),
        image("Chroma(16000)", t.Chroma(RATE, win_length=2048)(_scale()), 0.01),
    ],
    "Energy": lambda: [wave("before", VOICE), wave("Energy(16000), scaled", _curve(t.Energy(RATE, floor=1e-3)), 100)],
    "ZeroCrossingRate": lambda: [
        wave("before", VOICE),
        wave("ZeroCrossingRate(16000)", t.ZeroCrossingRate(RATE)(VOICE)[:, 0], 100),
    ],
    "PreEmphasis": lambda: [mel("before", VOICE), mel("PreEmphasis()", t.PreEmphasis()(VOICE))],
    "Dither": lambda: [mel("before: silence", _quiet), mel("Dither(0.003)", t.Dither(3e-3)(_quiet, rng()))],
    "SpecAugment": spec_augment,
    "Mixup": lambda: mixed(t.Mixup(2), 6),
    "CutMix": lambda: mixed(t.CutMix(2, axes=(0, 1)), 12),
}


def draw(name: str, folder: Path) -> Path:
    """Draw the picture of one transform; return its path."""
    require("matplotlib", extra="bench", purpose="drawing the pictures of the transforms")
    from matplotlib.figure import Figure
    from PIL import Image

    panels = DRAWINGS[name]()
    figure = Figure(figsize=(2.5 * len(panels) if len(panels) > 3 else 3.1 * len(panels), 1.7), layout="constrained")
    lengths = [panel.data.shape[-1 if panel.kind == "wave" else 0] / panel.rate for panel in panels]
    grid = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, panel, seconds in zip(grid, panels, lengths, strict=True):
        if panel.kind == "image":
            low, high = np.percentile(panel.data, (2, 99.8))
            axes.imshow(
                panel.data.T,
                origin="lower",
                aspect="auto",
                cmap="magma",
                interpolation="nearest",
                vmin=low,
                vmax=high,
                extent=(0, seconds, 0, panel.data.shape[1]),
            )
            axes.set_yticks([])
        else:
            rows = np.atleast_2d(panel.data)
            for i, row in enumerate(rows):
                time = np.arange(len(row)) / panel.rate
                axes.plot(time, row + 2 * (len(rows) - 1 - i), color="#762a83", linewidth=0.5)
            axes.set_ylim(-1, 2 * len(rows) - 1)
            axes.set_yticks([-1, 0, 1] if len(rows) == 1 else [])
        # On one scale, unless there would be nothing to see.
        axes.set_xlim(0, max(lengths) if seconds > max(lengths) / 5 else seconds)
        axes.set_title(panel.title, fontsize=8)
        axes.tick_params(labelsize=7)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.png"
    full = io.BytesIO()
    figure.savefig(full, dpi=80)
    # A palette makes a third of it. Nothing is kept that says which version of matplotlib drew it, so that a picture
    # changes only when it looks different.
    Image.open(full).convert("RGB").quantize(96, dither=Image.Dither.NONE).save(path, optimize=True)
    return path


def main() -> None:
    """Draw all pictures."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURES
    for name in DRAWINGS:
        path = draw(name, folder)
        print(f"{path}  {path.stat().st_size / 1000:.1f} kB")


if __name__ == "__main__":
    main()
