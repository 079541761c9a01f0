"""FLAC of unusual depths is read by the extra `fast`, and named without it."""

import flac_writer
import numpy as np
import pytest

from dataload.errors import DecodeError
from dataload.transforms import DecodeAudio

RATE = 16_000


def noise(bits, frames=3_000, channels=1):
    limit = 1 << bits - 1
    return np.random.default_rng(bits).integers(-limit, limit, (frames, channels))


@pytest.mark.parametrize("bits", [5, 15, 23])
def test_flac_of_other_depths_is_read_by_the_extra_and_named_without(tmp_path, bits, monkeypatch):
    samples = noise(bits, 20_000)
    path = tmp_path / "a.flac"
    path.write_bytes(flac_writer.flac(samples, bits=bits))
    expected = (samples[:, 0] / (1 << bits - 1)).astype(np.float32)
    np.testing.assert_array_equal(DecodeAudio(RATE)(path), expected)
    np.testing.assert_array_equal(DecodeAudio(RATE, offset=0.5)(path), expected[8_000:])
    monkeypatch.setenv("DATALOAD_FAST", "0")
    with pytest.raises(DecodeError, match=rf"a\.flac: .*it is FLAC of {bits} bits.*convert it") as caught:
        DecodeAudio(RATE)(path)
    assert "damaged" not in str(caught.value) and "dataload[fast]" in str(caught.value)
