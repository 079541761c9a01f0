"""The examples in the docstrings of the core are true."""

import doctest
import importlib
import pkgutil

import numpy as np
import pytest

import dataload

NAMES = [
    info.name
    for info in pkgutil.walk_packages(dataload.__path__, "dataload.")
    if not info.name.startswith(("dataload.commands", "dataload.transforms", "dataload.adapters", "dataload.__main__"))
    and info.name != "dataload.audio.flac"  # needs miniaudio: tests/extras/
]


@pytest.mark.parametrize("name", ["dataload", *NAMES])
def test_the_examples_of_the_core_are_true(name):
    module = importlib.import_module(name)
    names = {"np": np, **{key: getattr(dataload, key) for key in dataload.__all__}}
    assert doctest.testmod(module, extraglobs=names).failed == 0


def test_there_are_examples():
    assert "dataload.loader" in NAMES and "dataload.sources.array" in NAMES
