"""Sound for the tests of the transforms: real speech, and noise."""

import numpy as np
import pytest
import soundfile


@pytest.fixture(scope="session")
def speech_files(fsdd):
    """Paths of 300 recordings of spoken digits, 8 kHz, 16 bit, mono."""
    return sorted(fsdd.rglob("*.wav"))


@pytest.fixture(scope="session")
def speech(speech_files):
    """A dozen of the recordings as float32 waveforms, of 0.15 to 1 s."""
    return [soundfile.read(file, dtype="float32")[0] for file in speech_files[::25]]


@pytest.fixture
def noise():
    """One second of noise at 16 kHz within ±0.9."""
    return np.random.default_rng(7).uniform(-0.9, 0.9, 16_000).astype(np.float32)


@pytest.fixture
def without_libsndfile(monkeypatch):
    """Make it an error to read anything through libsndfile."""
    from dataload.audio import sndfile

    def refuse(*_):
        raise AssertionError("read through libsndfile")

    monkeypatch.setattr(sndfile, "read", refuse)
