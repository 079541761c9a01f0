"""Transforms of whole batches: the same for every kind and number of workers, and after a resume."""

import conformance
import numpy as np
import pytest
import soundfile

from dataload import ArraySource, Chain, FileSource, Loader, RandomBatchTransform
from dataload.errors import ChainError
from dataload.transforms import CutMix, DecodeAudio, LogMel, Mixup, SpecAugment

pytestmark = pytest.mark.slow

EVERY_KIND = pytest.mark.parametrize(("worker", "num_workers"), [("thread", 0), ("thread", 2), ("process", 2)])


class AddOne(RandomBatchTransform):
    def __call__(self, batch, rng):
        return {**batch, "drawn": rng.random(3)}


class Fail(RandomBatchTransform):
    def __call__(self, batch, rng):
        raise KeyError("no such thing")


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recordings")
    rng = np.random.default_rng(0)
    for i in range(21):
        soundfile.write(folder / f"{i % 3}_{i:02}.wav", rng.normal(0, 0.1, rng.integers(3000, 6000)), 8000)
    return folder


def make(folder, **options):
    return Loader(
        FileSource(folder, "*.wav", audio=str, label=lambda path: int(path.stem[0])),
        transforms=[
            {"audio": [DecodeAudio(8_000), LogMel(8_000, n_mels=24), SpecAugment(freq_width=5)]},
            Mixup(3, p=0.7),
            CutMix(3, p=0.7, axes=(0, 1)),
        ],
        **{"batch_size": 4, "shuffle": True, "seed": 3, **options},
    )


@pytest.fixture(scope="module")
def expected(recordings):
    loader = make(recordings)
    return [list(loader), list(loader)]


@EVERY_KIND
def test_the_same_batches_bit_for_bit(recordings, expected, worker, num_workers):
    with make(recordings, worker=worker, num_workers=num_workers) as loader:
        for epoch in expected:
            got = list(loader)
            assert len(got) == len(epoch) == 6
            for a, b in zip(got, epoch, strict=True):
                assert conformance.equal(a, b)


@EVERY_KIND
def test_the_same_batches_after_a_resume(recordings, expected, worker, num_workers):
    first = make(recordings)
    iterator = iter(first)
    for _ in range(2):
        next(iterator)
    state = first.state_dict()
    with make(recordings, worker=worker, num_workers=num_workers) as second:
        second.load_state_dict(state)
        for a, b in zip([*second, *second], [*expected[0][2:], *expected[1]], strict=True):
            assert conformance.equal(a, b)


def test_labels_become_targets_and_some_batches_are_mixed(expected):
    plain = 0
    for batch in [*expected[0], *expected[1]]:
        assert list(batch) == ["audio", "audio_lengths", "label"]
        assert batch["label"].shape == (len(batch["audio"]), 3) and batch["label"].dtype == np.float32
        np.testing.assert_allclose(batch["label"].sum(axis=1), 1, atol=1e-5)
        plain += int(np.isin(batch["label"], (0, 1)).all())
    assert 0 < plain < 12


@EVERY_KIND
def test_mixed_batches_lie_in_the_memory_of_the_loader(recordings, worker, num_workers):
    with make(recordings, worker=worker, num_workers=num_workers) as loader:
        batch = next(iter(loader))
        for value in batch.values():
            assert value.ctypes.data % 64 == 0 and value.flags.writeable
        assert batch["label"].base is not None and not batch["label"].flags.owndata


def drawn(loader, epochs=1):
    return [batch["drawn"].tobytes() for _ in range(epochs) for batch in loader]


def test_every_batch_epoch_seed_and_position_has_its_own_numbers():
    source = ArraySource({"x": np.arange(12)})
    numbers = drawn(Loader(source, transforms=AddOne(), batch_size=3), epochs=2)
    numbers += drawn(Loader(source, transforms=AddOne(), batch_size=3, seed=1), epochs=2)
    numbers += drawn(Loader(source, transforms=[AddOne(), AddOne()], batch_size=3))
    numbers += drawn(Loader(source, transforms=AddOne(), batch_size=3, sampler=range(11, -1, -1)))
    assert len(set(numbers)) == len(numbers) == 24


def test_the_numbers_depend_on_the_samples_of_the_batch_and_not_on_its_number():
    source = ArraySource({"x": np.arange(12)})
    there = drawn(Loader(source, transforms=AddOne(), batch_sampler=[[0, 1], [2, 3], [4, 5]]))
    assert drawn(Loader(source, transforms=AddOne(), batch_sampler=[[4, 5], [0, 1]])) == [there[2], there[0]]


def test_it_runs_behind_a_collate_function_of_any_kind():
    loader = Loader(range(6), transforms=AddOne(), collate_fn=lambda samples: {"n": len(samples)}, batch_size=4)
    assert [batch["n"] for batch in loader] == [4, 2]


def test_the_source_is_not_written_to():
    x = np.arange(20, dtype=np.float32).reshape(4, 5)
    source = ArraySource({"audio": x, "label": np.arange(4)})
    mixed = next(iter(Loader(source, transforms=Mixup(4), batch_size=4)))
    assert not np.array_equal(mixed["audio"], x)
    np.testing.assert_array_equal(x.ravel(), np.arange(20))


@EVERY_KIND
def test_an_error_names_the_transform_and_the_samples(worker, num_workers):
    loader = Loader(ArraySource({"x": np.arange(4)}), transforms=Fail(), batch_size=2)
    with pytest.raises(KeyError, match="no such thing") as caught:
        list(loader.with_options(worker=worker, num_workers=num_workers))
    notes = "\n".join(caught.value.__notes__)
    assert "Fail" in notes and "on the batch of samples [0, 1]" in notes and "batch 0 of epoch 0" in notes


@pytest.mark.parametrize(
    ("transforms", "message"),
    [
        ({"audio": [Mixup(3)]}, r"in the chain of field 'audio': Mixup\(3\) works on whole batches"),
        ([Mixup(3), {"audio": abs}], r"abs works on samples but stands behind Mixup\(3\)"),
        ([Mixup], r"is the class Mixup: write Mixup\(\.\.\.\)"),
    ],
    ids=str,
)
def test_a_place_where_it_cannot_work_is_found_when_the_loader_is_made(transforms, message):
    with pytest.raises(ChainError, match=message):
        Loader([1, 2], transforms=transforms)
    with pytest.raises(ChainError, match="works on whole batches"):
        Chain([Mixup(3)])
