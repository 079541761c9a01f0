"""Sounds that the features are compared on, at any sample rate."""

import numpy as np
import soxr

RATES = [8_000, 16_000, 22_050, 48_000]


def sounds(sample_rate, speech, shortest=1):
    """Return name -> float32 waveform: real speech and made-up sound, of odd lengths too, none below `shortest`."""
    rng = np.random.default_rng(sample_rate)
    t = np.arange(sample_rate) / sample_rate
    at_rate = [soxr.resample(x, 8_000, sample_rate) for x in speech[:3]]
    found = {
        **{f"speech {i}": x for i, x in enumerate(at_rate)},
        "speech in a row": np.concatenate(at_rate)[: 2 * sample_rate + 1],
        "tone": 0.5 * np.sin(2 * np.pi * 440.0 * t),
        "sweep": 0.5 * np.sin(2 * np.pi * (100 + 0.1 * sample_rate * t) * t),
        "noise": 0.1 * rng.standard_normal(sample_rate + 17),
        "faint noise": 1e-4 * rng.standard_normal(sample_rate // 2),
        "silence": np.zeros(sample_rate // 3),
        "constant": np.full(sample_rate // 4 + 1, 0.25),
        **{f"{n} samples": 0.3 * rng.standard_normal(n) for n in (1, 2, 99, 160, 161, 399, 401, 1023)},
    }
    return {name: x.astype(np.float32) for name, x in found.items() if len(x) >= shortest}
