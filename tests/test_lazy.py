"""Names that are imported when they are first asked for: which they are, and that nothing else is imported before."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import dataload
from dataload.lazy import lazily

PACKAGES = ["dataload", "dataload.sources", "dataload.samplers"]


@pytest.mark.parametrize("package", PACKAGES)
def test_type_checkers_are_told_of_the_same_names_in_the_same_modules(package):
    module = importlib.import_module(package)
    tree = ast.parse(Path(module.__file__).read_text())
    [choice] = [node for node in tree.body if isinstance(node, ast.If)]
    told = {
        (node.module, alias.name)
        for node in choice.body
        if isinstance(node, ast.ImportFrom) and node.module != package
        for alias in node.names
    }
    [call] = [node for node in ast.walk(choice) if isinstance(node, ast.Call)]
    homes = ast.literal_eval(call.args[1])
    assert told == {(home, name) for home, names in homes.items() for name in names} and told
    names = {name for _, name in told}
    assert set(module.__all__) - {"errors", "__version__"} == names <= set(dir(module))
    for name in module.__all__:
        assert getattr(module, name) is not None


def test_what_is_not_there_is_an_attribute_error():
    for name in ("Loadr", "_private", "no_such_room"):
        with pytest.raises(AttributeError, match=f"module 'dataload' has no attribute '{name}'"):
            getattr(dataload, name)
    get, names = lazily("dataload", {"dataload.errors": ["ConfigError"]})
    assert get("ConfigError") is dataload.errors.ConfigError and "ConfigError" in names()


def test_rooms_are_attributes_without_being_imported_by_name():
    program = "import dataload; print(dataload.samplers.blocks.BlockSampler.__name__, dataload.errors.ConfigError)"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.startswith("BlockSampler <class")


def test_a_worker_imports_no_table_no_loader_and_no_audio_reader():
    program = (
        "import sys, dataload.workers.child; print([m for m in sys.modules if m.startswith(('dataload.sources.table', "
        "'dataload.loader', 'dataload.audio.reader', 'numpy.ma.', 'pyarrow', 'scipy'))])"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
