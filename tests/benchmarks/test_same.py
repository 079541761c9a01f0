"""The check that all systems made the same batches."""

import numpy as np
import pytest

from benchmarks.same import difference, other_samples, summarise

RNG = np.random.default_rng(0)
BATCHES = [(RNG.random((4, 7, 3), np.float32), np.arange(4) + i) for i in range(3)]
EXPECTED = [summarise(batch) for batch in BATCHES]


def test_the_same_batches_in_another_order_and_container_are_the_same():
    made = [summarise({"x": x, "n": n}) for x, n in reversed(BATCHES)]
    assert difference(made, EXPECTED, 0.0) is None


def test_tensors_are_summed_up_like_arrays():
    torch = pytest.importorskip("torch")
    made = [summarise([torch.from_numpy(x), torch.from_numpy(n)]) for x, n in BATCHES]
    assert difference(made, EXPECTED, 0.0) is None


def test_the_same_batch_twice_is_found():
    assert "batch 1" in difference([EXPECTED[0], EXPECTED[0]], EXPECTED, 0.0)


def test_other_values_are_found_beyond_the_tolerance():
    x, n = BATCHES[0]
    near, far = summarise((x * 1.0005, n)), summarise((x * 1.01, n))
    assert difference([near], EXPECTED, 1e-3) is None
    assert "batch 0 with shapes [[4, 7, 3], [4]]" in difference([far], EXPECTED, 1e-3)


def test_samples_in_another_order_or_a_missing_array_are_found():
    x, n = BATCHES[0]
    assert difference([summarise((x[::-1], n))], EXPECTED, 1e-3)
    assert difference([summarise(x)], EXPECTED, 1e-3)


def test_shapes_alone_may_differ_by_a_frame():
    longer = summarise((np.zeros((4, 8, 3)), np.zeros(4)))
    wider = summarise((np.zeros((4, 7, 5)), np.zeros(4)))
    assert difference([longer], EXPECTED, 0.0, values=False) is None
    assert difference([longer], EXPECTED, 0.0) is not None
    assert difference([wider], EXPECTED, 0.0, values=False) is not None


def test_an_epoch_may_bring_its_samples_in_any_order_and_batches():
    x, n = (np.concatenate(parts) for parts in zip(*BATCHES, strict=True))
    order = RNG.permutation(len(x))
    made = [summarise((x[part], n[part])) for part in np.array_split(order, 2)]
    assert other_samples(made, EXPECTED, 0.0) is None


def test_an_epoch_with_a_sample_twice_or_missing_is_found():
    x, n = (np.concatenate(parts) for parts in zip(*BATCHES, strict=True))
    twice = np.append(np.arange(1, len(x)), 1)
    assert "is none of the 12" in other_samples([summarise((x[twice], n[twice]))], EXPECTED, 0.0)
    assert "has 11 samples, and 12" in other_samples([summarise((x[1:], n[1:]))], EXPECTED, 0.0)
