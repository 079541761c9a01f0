"""The permutation is one, for every size."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataload.samplers.permutation import permute


def is_bijection(n: int, key: int) -> bool:
    seen = np.zeros(n, bool)
    seen[permute(np.arange(n, dtype=np.uint64), n, key).astype(np.int64)] = True
    return bool(seen.all())


@pytest.mark.parametrize("start", range(0, 5000, 1000))
def test_it_is_a_bijection_for_every_size_up_to_5000(start):
    for n in range(start, start + 1001):
        assert is_bijection(n, key=n), n


@pytest.mark.parametrize("bits", range(1, 21))
def test_it_is_a_bijection_around_every_power_of_two(bits):
    for n in (2**bits - 1, 2**bits, 2**bits + 1):
        for key in (0, 12345, 2**64 - 1):
            assert is_bijection(n, key), (n, key)


@pytest.mark.parametrize("n", [100, 5000, 10**10, 2**62])
def test_any_part_is_that_part_of_the_whole(n):
    positions = np.arange(64, dtype=np.uint64)
    whole = permute(positions, n, 7)
    assert np.array_equal(permute(positions[17:40], n, 7), whole[17:40])
    assert whole.max() < n


def test_ten_billion_indices_cost_no_memory():
    positions = np.arange(10**10 - 1000, 10**10, dtype=np.uint64)
    permute(positions, 10**10, 1)
    tracemalloc.start()
    values = permute(positions, 10**10, 2)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(np.unique(values)) == 1000 and values.max() < 10**10
    assert peak < 1 << 20


@given(st.integers(500, 10**12), st.integers(0, 2**64 - 1))
def test_distinct_positions_go_to_distinct_places(n, key):
    positions = np.unique(np.linspace(0, n - 1, 500).astype(np.uint64))
    values = permute(positions, n, key)
    assert len(np.unique(values)) == len(positions) and values.max() < n


@pytest.mark.slow
@pytest.mark.parametrize("n", [64, 1000, 20000, 65535, 65536, 200000])
def test_places_are_spread_evenly_over_keys(n):
    # Position 0 over many keys, in 16 bins: chi-square with 15 degrees of freedom is above 50 once in 80 000 times.
    places = np.array([permute(np.zeros(1, np.uint64), n, key)[0] for key in range(2000)], np.int64)
    counts = np.bincount(places * 16 // n, minlength=16)
    sizes = np.bincount(np.arange(n) * 16 // n, minlength=16) / n * 2000
    assert ((counts - sizes) ** 2 / sizes).sum() < 50


@pytest.mark.parametrize("n", [1000, 20000, 65536, 200000])
def test_neighbours_are_not_kept_together(n):
    order = permute(np.arange(n, dtype=np.uint64), n, 3).astype(np.int64)
    assert np.count_nonzero(np.abs(np.diff(order)) == 1) < 15
    assert abs(np.corrcoef(np.arange(n), order)[0, 1]) < 0.15
