"""Normalize.fit: the numbers of a data set, gathered in one pass."""

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataload import FileSource, Loader
from dataload.errors import ConfigError, FieldError, TransformError
from dataload.transforms import DecodeAudio, LogMel, Normalize


def clips(n, seed=0, bins=5):
    rng = np.random.default_rng(seed)
    return [
        (3.0 + rng.standard_normal((rng.integers(1, 40), bins)) * np.arange(1, bins + 1)).astype(np.float32)
        for _ in range(n)
    ]


class Recordings:
    def __init__(self, values):
        self.values = values

    def __len__(self):
        return len(self.values)

    def __getitem__(self, index):
        return {"audio": self.values[index], "label": index}


def padded_loader(values, **options):
    from dataload import pad

    return Loader(Recordings(values), collate_fn=pad, **options)


def assert_is_that_of(normalize, values):
    rows = np.concatenate(values).astype(np.float64)
    np.testing.assert_allclose(normalize.mean, rows.mean(axis=0), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(normalize.std, rows.std(axis=0), rtol=1e-9, atol=1e-12)


@given(n=st.integers(1, 20), batch_size=st.integers(1, 7), seed=st.integers(0, 100))
def test_it_is_the_mean_and_deviation_of_all_frames_and_of_no_padding(n, batch_size, seed):
    values = clips(n, seed)
    found = Normalize.fit(padded_loader(values, batch_size=batch_size), field="audio", eps=1e-12)
    assert_is_that_of(found, values)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options", [{"num_workers": 2, "worker": "thread"}, {"num_workers": 2, "worker": "process"}], ids=str
)
def test_any_workers_find_the_same_numbers_to_the_bit(options):
    values = clips(30)
    alone = Normalize.fit(padded_loader(values, batch_size=4), field="audio")
    with padded_loader(values, batch_size=4, **options) as loader:
        assert Normalize.fit(loader, field="audio") == alone


def test_a_mean_far_from_zero_costs_no_digits():
    values = [x + np.float32(1e4) for x in clips(20)]
    assert_is_that_of(Normalize.fit(padded_loader(values, batch_size=3), field="audio"), values)


def test_waveforms_have_one_mean_and_one_deviation():
    values = [np.arange(n, dtype=np.float32) for n in (3, 5, 8)]
    found = Normalize.fit(padded_loader(values, batch_size=2), field="audio")
    assert isinstance(found.mean, float)
    assert_is_that_of(found, values)


def test_a_batch_may_be_the_array_itself_or_a_pair_with_lengths():
    values = clips(4)
    longest = max(map(len, values))
    array = np.stack([np.pad(x, ((0, longest - len(x)), (0, 0)), constant_values=99) for x in values])
    lengths = np.array([len(x) for x in values])
    assert_is_that_of(Normalize.fit([(array[:3], lengths[:3]), (array[3:], lengths[3:])]), values)
    assert_is_that_of(Normalize.fit([array]), list(array))


def test_the_epoch_of_the_loader_stays_where_it_is():
    loader = padded_loader(clips(6), batch_size=2, shuffle=True)
    before = loader.state_dict()
    Normalize.fit(loader, field="audio")
    assert loader.state_dict() == before


def test_speech_becomes_mean_0_and_deviation_1(fsdd):
    source = FileSource(fsdd, "**/*.wav", audio=str)
    chain = [DecodeAudio(8_000), LogMel(8_000, n_mels=40)]
    some = [source[i] for i in range(0, len(source), 100)]
    with Loader(some, transforms={"audio": chain}, batch_size=8, num_workers=2, worker="thread") as loader:
        normalize = Normalize.fit(loader, field="audio")
    again = Loader(some, transforms={"audio": [*chain, normalize]}, batch_size=8)
    rows = np.concatenate([x[:n] for b in again for x, n in zip(b["audio"], b["audio_lengths"], strict=True)])
    assert np.abs(rows.mean(axis=0, dtype=np.float64)).max() < 1e-4
    np.testing.assert_allclose(rows.std(axis=0, dtype=np.float64), 1.0, atol=1e-4)


def test_a_bin_that_never_changes_gets_the_least_deviation():
    found = Normalize.fit([np.full((2, 3, 2), 7.0)], eps=0.25)
    assert found == Normalize((7.0, 7.0), (0.25, 0.25))


def test_it_is_saved_as_json_and_read_again():
    found = Normalize.fit(padded_loader(clips(5), batch_size=2), field="audio")
    assert Normalize(**json.loads(json.dumps(dataclasses.asdict(found)))) == found


def test_nothing_is_printed():
    code = "import numpy as np; from dataload.transforms import Normalize; Normalize.fit([np.ones((2, 3, 2))] * 5)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == run.stderr == ""


def test_progress_is_told_after_every_batch():
    told = []
    loader = padded_loader(clips(7), batch_size=2)
    found = Normalize.fit(loader, field="audio", progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert found == Normalize.fit(loader, field="audio")


def test_progress_has_no_total_where_the_batches_have_no_length():
    told = []
    Normalize.fit(iter([np.ones((2, 3, 2))] * 2), progress=lambda done, total: told.append((done, total)))
    assert told == [(1, None), (2, None)]


def test_a_progress_that_is_no_function_is_refused_before_anything_is_read():
    with pytest.raises(ConfigError, match=r"progress=True must be None or a function, called as progress\(done, total"):
        Normalize.fit(iter(lambda: 1 / 0, None), progress=True)


@pytest.mark.parametrize(
    ("batches", "field", "error", "message"),
    [
        ([], None, TransformError, "nothing to measure"),
        ([np.zeros((2, 0, 3))], None, TransformError, "nothing to measure"),
        ([{"audio": np.ones((2, 3, 2))}], "sound", FieldError, "no field 'sound'"),
        ([{"audio": ["a", "b"]}], "audio", TransformError, "in field 'audio' but there is list"),
        ([np.ones(4)], None, TransformError, r"there is float64 \(4,\)"),
        ([np.ones((2, 3, 2)), np.ones((2, 3, 4))], None, TransformError, r"batch 1 has \(4,\) bins .* had \(2,\)"),
        (
            [np.ones((2, 3, 2)), np.full((2, 3, 2), np.nan)],
            None,
            TransformError,
            "batch 1 has values that are not finite",
        ),
    ],
)
def test_what_cannot_be_measured_is_refused(batches, field, error, message):
    with pytest.raises(error, match=message):
        Normalize.fit(batches, field=field)
