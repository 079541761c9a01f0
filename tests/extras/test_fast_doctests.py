"""The examples in the docstrings of what needs the extra `fast` are true."""

import doctest

import pytest

from dataload.audio import flac
from dataload.transforms.spectral import mkl_kernels, numba_kernels


@pytest.mark.parametrize("module", [flac, mkl_kernels, numba_kernels], ids=lambda module: module.__name__)
def test_the_examples_are_true(module):
    assert doctest.testmod(module).failed == 0
