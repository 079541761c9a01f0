"""The examples in the docstrings of what needs the extra `fast` are true."""

import doctest

from dataload.audio import flac


def test_the_examples_of_flac_are_true():
    assert doctest.testmod(flac).failed == 0
