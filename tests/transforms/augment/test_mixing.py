"""Mixup and CutMix: what is mixed with what, targets that say so, and the memory they are mixed in."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataload.errors import ConfigError, FieldError, TransformError
from dataload.transforms import CutMix, Mixup

RNG = np.random.default_rng


def batch_of(shape, n_classes=5, seed=0, dtype=np.float32):
    rng = RNG(seed)
    return {"audio": rng.standard_normal(shape).astype(dtype), "label": rng.integers(0, n_classes, shape[0])}


def copied(batch):
    return {name: value.copy() for name, value in batch.items()}


@given(
    size=st.integers(1, 6),
    rest=st.lists(st.integers(1, 9), min_size=1, max_size=3),
    alpha=st.sampled_from([0.2, 1.0, 5.0]),
    seed=st.integers(0, 99),
)
def test_mixup_adds_the_sample_before_in_the_share_that_the_target_says(size, rest, alpha, seed):
    batch = batch_of((size, *rest), seed=seed)
    before, x = copied(batch), batch["audio"]
    out = Mixup(5, alpha=alpha)(batch, RNG(seed))
    assert out["audio"] is x, "mixed in place"
    share = RNG(seed)
    share.random()
    share = share.beta(alpha, alpha)
    one_hot = np.eye(5, dtype=np.float32)[before["label"]]
    if size > 1:
        expected = share * before["audio"] + (1 - share) * np.roll(before["audio"], 1, axis=0)
        np.testing.assert_allclose(x, expected, atol=1e-6)
        one_hot = share * one_hot + (1 - share) * np.roll(one_hot, 1, axis=0)
    np.testing.assert_allclose(out["label"], one_hot, atol=1e-6)
    assert out["label"].dtype == np.float32


@given(
    size=st.integers(1, 6),
    rest=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    axes=st.sampled_from([(0,), (1,), (0, 1), (1, 0)]),
    seed=st.integers(0, 199),
)
def test_cutmix_replaces_one_box_of_the_area_that_the_target_says(size, rest, axes, seed):
    batch = batch_of((size, *rest), seed=seed)
    batch["label"] = np.arange(size)
    before, x = copied(batch), batch["audio"]
    out = CutMix(size, axes=axes)(batch, RNG(seed))
    assert out["audio"] is x
    changed = x != before["audio"]
    other = np.roll(before["audio"], 1, axis=0)
    np.testing.assert_array_equal(x[changed], other[changed])
    assert np.all(changed == changed[0]), "one box for the whole batch"
    box = changed[0]
    rows, columns = box.any(axis=1), box.any(axis=0)
    np.testing.assert_array_equal(box, rows[:, None] & columns[None, :])
    for axis, hit in enumerate((rows, columns)):
        if axis not in axes and box.any():
            assert hit.all()
        assert np.all(np.diff(np.flatnonzero(hit)) == 1)
    if size > 1:
        np.testing.assert_allclose(np.diag(out["label"]), 1 - box.mean(), atol=1e-6)
        np.testing.assert_allclose(out["label"].sum(axis=1), 1, atol=1e-6)


def test_the_area_of_a_cut_is_that_of_the_share_far_from_the_edges():
    areas = []
    for seed in range(300):
        batch = {"audio": np.repeat([0.0, 1.0], 10_000).reshape(2, 100, 100), "label": np.array([0, 1])}
        out = CutMix(2, axes=(0, 1))(batch, RNG(seed))
        rng = RNG(seed)
        rng.random()
        areas.append((1 - out["label"][0, 0], 1 - rng.beta(1.0, 1.0)))
    for area, wanted in areas:
        assert area <= wanted + 0.02
    assert sum(abs(area - wanted) < 0.02 for area, wanted in areas) > 30


@pytest.mark.parametrize("mixing", [Mixup, CutMix])
def test_a_share_of_the_batches_is_mixed_and_the_targets_always_look_the_same(mixing):
    mixed = 0
    for seed in range(400):
        batch = batch_of((4, 30))
        before = batch["audio"].copy()
        out = mixing(5, p=0.25, alpha=4.0)(batch, RNG(seed))
        assert out["label"].shape == (4, 5) and out["label"].dtype == np.float32
        mixed += int(not np.array_equal(out["audio"], before))
    assert 65 < mixed < 135


@pytest.mark.parametrize("mixing", [Mixup, CutMix])
def test_lengths_become_the_greater_of_the_two(mixing):
    batch = {**batch_of((4, 9)), "audio_lengths": np.array([3, 9, 5, 7])}
    lengths = batch["audio_lengths"]
    out = mixing(5)(batch, RNG(0))
    assert out["audio_lengths"] is lengths
    np.testing.assert_array_equal(lengths, [7, 9, 9, 7])
    unmixed = {**batch_of((4, 9)), "audio_lengths": np.array([3, 9, 5, 7])}
    np.testing.assert_array_equal(mixing(5, p=0)(unmixed, RNG(0))["audio_lengths"], [3, 9, 5, 7])


def test_one_may_follow_the_other():
    batch = CutMix(5)(Mixup(5)(batch_of((6, 20)), RNG(0)), RNG(1))
    np.testing.assert_allclose(batch["label"].sum(axis=1), 1, atol=1e-6)


@dataclass(frozen=True)
class Record:
    audio: np.ndarray
    label: np.ndarray


def test_tuples_and_records_are_batches_too():
    batch = batch_of((4, 9))
    expected = Mixup(5)(copied(batch), RNG(0))
    as_tuple = Mixup(5, 0, 1)((batch["audio"].copy(), batch["label"]), RNG(0))
    as_record = Mixup(5)(Record(batch["audio"].copy(), batch["label"]), RNG(0))
    padded = (batch["audio"].copy(), np.array([9, 2, 3, 4]), batch["label"])
    padded = Mixup(5, 0, 2, lengths=1)(padded, RNG(0))
    for x, targets in (as_tuple, (as_record.audio, as_record.label), padded[::2]):
        np.testing.assert_array_equal(x, expected["audio"])
        np.testing.assert_array_equal(targets, expected["label"])
    np.testing.assert_array_equal(padded[1], [9, 9, 3, 4])


def test_targets_are_written_where_the_allocator_says():
    taken = []

    def alloc(shape, dtype):
        taken.append(np.empty(shape, dtype))
        return taken[-1]

    out = Mixup(5)(batch_of((4, 9)), RNG(0), alloc=alloc)
    assert len(taken) == 1 and out["label"] is taken[0]


def test_double_precision_and_half_precision_stay_what_they_are():
    for dtype in (np.float16, np.float64):
        assert Mixup(5)(batch_of((4, 9), dtype=dtype), RNG(0))["audio"].dtype == dtype


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Mixup(0), "num_classes=0 must be a positive integer"),
        (lambda: Mixup(3, alpha=0), "alpha=0 must be above 0"),
        (lambda: Mixup(3, p=2), "p=2 must be from 0 to 1"),
        (lambda: Mixup(3, field=None), "field=None must be the name or the position of a field"),
        (lambda: Mixup(3, "x", "x"), "field='x' and label='x' must be two fields"),
        (lambda: CutMix(3, axes=()), "axes=() must be one or more axes"),
        (lambda: CutMix(3, axes=(-1,)), "axes=(-1,) must be one or more axes of a sample from 0 up"),
        (lambda: CutMix(3, axes=(1, 1)), "axes=(1, 1) must not name an axis twice"),
    ],
)
def test_numbers_that_cannot_work_are_refused_by_name(make, message):
    with pytest.raises(ConfigError) as caught:
        make()
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("mixing", "changes", "message"),
    [
        (Mixup(3), {"audio": np.zeros((4, 9), np.int16)}, r"Mixup takes floats.*'audio' but got int16 \(4, 9\)"),
        (Mixup(3), {"audio": [1.0, 2.0]}, "Mixup takes floats.*but got list"),
        (Mixup(3), {"label": ["a", "b"]}, "takes an array of labels in field 'label': got list"),
        (Mixup(3), {"label": np.array([0, 1, 2, 3])}, "labels from 0 to num_classes - 1 = 2.*got 0 to 3"),
        (Mixup(3), {"label": np.array([0.5, 1, 2, 3])}, r"labels \(batch,\) as integers.*got float64 \(4,\)"),
        (CutMix(3, axes=(2,)), {}, r"CutMix has axes=\(2,\) but a sample of field 'audio' is \(9,\)"),
    ],
    ids=str,
)
def test_batches_that_cannot_be_mixed_are_refused_by_field(mixing, changes, message):
    with pytest.raises(TransformError, match=message):
        mixing({**batch_of((4, 9), n_classes=3), **changes}, RNG(0))


def test_a_field_that_is_not_there_is_named():
    with pytest.raises(FieldError, match="no field 'image'"):
        Mixup(3, "image")(batch_of((4, 9)), RNG(0))
    with pytest.raises(FieldError, match="no field 'sizes'"):
        Mixup(5, lengths="sizes")(batch_of((4, 9)), RNG(0))
