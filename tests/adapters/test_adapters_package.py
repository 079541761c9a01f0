"""The package of adapters: one name, no framework until one is asked for, and a clear word when it is not there."""

import doctest
import importlib
import os
import subprocess
import sys
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest

from dataload import Loader
from dataload.adapters.messages import missing_extra
from dataload.errors import MissingExtra
from dataload.samples import where

ROOT = Path(__file__).resolve().parents[2]


def run(script):
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    return subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment,
        timeout=60,
        check=False,
    )


def test_the_package_refuses_the_name_of_its_folder():
    ended = run("import adapters")
    assert ended.returncode == 1
    assert "this package is `dataload.adapters`, but it was imported as `adapters`" in ended.stderr
    assert "write `from dataload.adapters.torch import to_dataloader`" in ended.stderr


def test_the_package_imports_no_framework():
    ended = run(
        "import sys, dataload.adapters, dataload.adapters.element_spec\n"
        "import dataload.adapters.passes, dataload.adapters.tensorboard, dataload.graph\n"
        "assert not {'torch', 'tensorflow', 'keras', 'jax'} & set(sys.modules)"
    )
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("name", ["torch", "tensorflow", "jax", "keras"])
def test_a_framework_that_is_missing_is_named_with_the_extra_that_brings_it(name, monkeypatch):
    # None in sys.modules is Python's own way to say that a module cannot be imported.
    monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, f"dataload.adapters.{name}", raising=False)
    with pytest.raises(MissingExtra, match=rf'needs {name}, which is not installed: pip install "dataload\[{name}\]"'):
        importlib.import_module(f"dataload.adapters.{name}")


def test_a_framework_that_is_there_but_broken_keeps_its_own_error():
    broken = ImportError("libsomething.so is missing", name="torch._C")
    assert missing_extra("torch", "torch", broken) is broken


def test_places_in_a_batch_are_named_by_their_path():
    assert where(("meta", 0, "gain")) == "field 'meta.0.gain'"
    assert where(()) == "the batch"


EXAMPLES = ["torch.dataloader", "torch.dataset", "torch.module", "tensorflow.dataset", "tensorflow.module"]


@pytest.mark.parametrize("name", [*EXAMPLES, "jax", "keras"])
def test_the_examples_of_the_adapters_are_true(name):
    module = importlib.import_module(f"dataload.adapters.{name}")
    found = doctest.testmod(module, extraglobs={"Loader": Loader})
    assert found.attempted and not found.failed


def test_a_loader_used_by_two_adapters_at_once_says_what_to_do():
    from dataload.adapters.jax import to_jax
    from dataload.adapters.tensorflow import to_dataset
    from dataload.adapters.torch import to_dataloader

    loader = Loader(np.arange(9.0), batch_size=2)
    for first, second in permutations([to_dataloader, to_jax, to_dataset], 2):
        older, newer = iter(first(loader)), iter(second(loader))
        next(older), next(newer)
        # TensorFlow makes an error of its own of it.
        with pytest.raises(Exception, match=r"For two at once make a second Loader: loader\.with_options\(\)"):
            next(older)
        assert len(list(newer)) == 4
