"""Some of the samples, in their order or shuffled."""

import conformance
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataload import Loader, SubsetSampler
from dataload.errors import ConfigError


@pytest.mark.parametrize("shuffle", [True, False])
def test_it_keeps_the_contract(shuffle):
    conformance.check_sampler(SubsetSampler(np.arange(50) * 3, shuffle=shuffle), length=50)


@given(st.lists(st.integers(0, 30), min_size=1, max_size=50), st.integers(0, 9))
def test_an_epoch_has_each_index_as_often_as_it_is_listed(indices, epoch):
    sampler = SubsetSampler(indices, seed=3)
    assert sorted(sampler.indices(epoch, 0, len(indices)).tolist()) == sorted(indices)
    assert SubsetSampler(indices, shuffle=False).indices(epoch, 0, len(indices)).tolist() == indices


def test_a_loader_reads_these_samples_only():
    letters = list("abcdefgh")
    assert sorted(letter for batch in Loader(letters, sampler=SubsetSampler([1, 3, 5])) for letter in batch) == [*"bdf"]


@pytest.mark.parametrize("indices", [[], [-1], [0.5], [[1]], "ab"])
def test_what_is_no_list_of_indices_is_refused(indices):
    with pytest.raises(ConfigError, match="indices must be"):
        SubsetSampler(indices)
