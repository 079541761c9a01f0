"""Who may import whom, and what importing the library costs: on the modules as the wheel names them."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from imports import LATE, ROOT, RUNTIME, TOP, TYPING, circles, modules, ours

FRAMEWORKS = {"torch", "tensorflow", "keras", "jax", "ray", "accelerate", "lightning", "transformers"}
HEAVY = {"scipy", "soundfile", "soxr", "pyarrow", "cloudpickle", "threadpoolctl", "rich", "matplotlib", "obstore"}
HEAVY |= {"fsspec", "google_crc32c"}
EXTRAS = {"rich", "matplotlib"}

# Imports of a name that is only known when the program runs, and why they are right.
OPEN_IMPORTS = {
    "dataload.fast": "loads the rooms of the fast extra, whose names its callers write out",
    "dataload.lazy": "the names stand in tables of the packages, and are seen there",
    "dataload.commands.target": "the user's own module, from the command line",
    "benchmarks.worker": "the packages that a peer needs, all of them foreign",
    "benchmarks.__main__": "the names stand in a table beside it, and are seen there",
}
# What dataload.audio may stand on.
BELOW_AUDIO = {f"dataload.{name}" for name in ("audio", "counts", "errors", "extras", "fast", "memory", "storage")}

WHEEL = {name: module for name, module in modules().items() if name.split(".")[0] == "dataload"}


def within(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(package + ".") for package in packages)


OUTER = ("dataload.transforms", "dataload.adapters", "dataload.commands")
CORE = [name for name in WHEEL if not within(name, *OUTER)]
TRANSFORMS = [name for name in WHEEL if within(name, "dataload.transforms")]
ADAPTERS = [name for name in WHEEL if within(name, "dataload.adapters")]


def roots(names: set[str]) -> set[str]:
    return {name.split(".")[0] for name in names}


def test_all_of_it_is_seen():
    assert len(CORE) > 30 and len(TRANSFORMS) > 30 and len(ADAPTERS) > 10
    assert {"dataload", "dataload.transforms", "dataload.adapters.torch", "benchmarks"} <= set(modules())
    assert "dataload.pipeline" in ours(modules()["dataload.loader"], TOP)
    assert any(module.names(LATE) for module in WHEEL.values()) and any(m.names(TYPING) for m in WHEEL.values())
    assert "dataload.commands.bench" in ours(modules()["dataload.commands"], "by string")


def test_no_modules_import_one_another():
    edges = {name: ours(module, *RUNTIME) for name, module in modules().items()}
    # The package a module stands in is imported with it: by this alone every one would be in a circle with `dataload`.
    found = [" -> ".join([*way, way[0]]) for way in circles(edges)]
    assert not found, "\n".join(found)


def test_circles_are_found():
    edges = {"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a", "e"}, "e": {"d"}, "f": {"a"}}
    assert circles(edges) == [["d", "e"], ["a", "b", "c"]]
    assert circles({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


def test_every_import_of_a_made_up_name_is_known_and_right():
    found = {name: module.unresolved for name, module in modules().items() if module.unresolved}
    assert set(found) <= set(OPEN_IMPORTS), found


@pytest.mark.parametrize("name", modules())
def test_no_private_name_of_another_module_is_used(name):
    assert not modules()[name].private


@pytest.mark.parametrize("name", CORE)
def test_the_core_imports_numpy_and_the_standard_library(name):
    module = modules()[name]
    package = name.rpartition(".")[0]
    # Only the modules that run in or talk to processes need cloudpickle, and only they are imported late.
    allowed = {"cloudpickle"} if package in ("dataload.workers", "dataload.transport") else set()
    # Imported late too, when a file needs it.
    allowed |= {"soundfile"} if name == "dataload.audio.sndfile" else set()
    assert not roots(module.names(TOP)) & (FRAMEWORKS | HEAVY - allowed)
    assert not roots(module.names()) & FRAMEWORKS


@pytest.mark.parametrize("name", CORE)
def test_the_core_stands_below_transforms_adapters_and_commands(name):
    above = {(found, kind) for found, kind in modules()[name].imports if within(found, *OUTER)}
    if name == "dataload":
        above -= {("dataload.transforms", LATE)}
    if name == "dataload.workers":  # the kind of worker that stands on a package of its own, by its name
        above -= {("dataload.adapters.ray", LATE)}
    if name == "dataload.__main__":
        above = {(found, kind) for found, kind in above if not within(found, "dataload.commands")}
    assert not above


@pytest.mark.parametrize("name", [name for name in CORE if within(name, "dataload.audio")])
def test_the_reading_of_audio_stands_below_sources_and_everything_above(name):
    assert not {found for found in ours(modules()[name]) if not within(found, *BELOW_AUDIO)}


@pytest.mark.parametrize("name", TRANSFORMS)
def test_transforms_know_no_frameworks_workers_or_adapters(name):
    names = modules()[name].names()
    assert not roots(names) & (FRAMEWORKS | EXTRAS | {"pyarrow"})
    above = ("dataload.workers", "dataload.transport", "dataload.loader", "dataload.adapters", "dataload.commands")
    assert not {found for found in names if within(found, *above)}


@pytest.mark.parametrize("name", ADAPTERS)
def test_each_framework_is_imported_by_its_own_adapter_alone(name):
    # A file, or a folder of files, has the name of its framework.
    mine = [*name.split("."), ""][2]
    assert not roots(modules()[name].names()) & (FRAMEWORKS | EXTRAS) - {mine}


@pytest.mark.parametrize("name", WHEEL)
def test_nothing_imports_the_benchmarks_or_the_tests(name):
    assert not roots(modules()[name].names()) & {"benchmarks", "tests"}


def run(code: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], cwd=cwd, capture_output=True, text=True, timeout=60)


def test_importing_the_library_loads_nothing_heavy():
    result = run("import sys; from dataload import *; print(sorted({m.split('.')[0] for m in sys.modules}))")
    loaded = set(ast.literal_eval(result.stdout))
    assert "numpy" in loaded and not loaded & (FRAMEWORKS | HEAVY), loaded & (FRAMEWORKS | HEAVY)


@pytest.mark.parametrize("name", ["transforms", "adapters"])
def test_the_folders_cannot_be_imported_under_their_bare_names(name):
    result = run(f"import sys; sys.path.insert(0, {str(ROOT)!r}); import {name}")
    assert result.returncode == 1 and "ImportError" in result.stderr and f"dataload.{name}" in result.stderr


@pytest.mark.parametrize("name", WHEEL)
def test_every_module_says_what_lives_there_and_is_short_enough_to_read(name):
    module = modules()[name]
    assert ast.get_docstring(module.tree)
    assert module.path.read_text().count("\n") <= 350


def test_everything_public_is_documented():
    import dataload
    import dataload.transforms

    for module in (dataload, dataload.transforms):
        for name in module.__all__:
            if name != "__version__":
                assert getattr(module, name).__doc__, f"{module.__name__}.{name} has no docstring"
