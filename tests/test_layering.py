"""Who may import whom, and what importing the library costs."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FRAMEWORKS = {"torch", "tensorflow", "keras", "jax", "ray", "accelerate", "lightning", "transformers"}
HEAVY = {"scipy", "soundfile", "soxr", "pyarrow", "cloudpickle", "threadpoolctl", "rich", "matplotlib"}
EXTRAS = {"rich", "matplotlib"}


def modules(folder: str) -> list[Path]:
    links = {ROOT / "dataload" / "transforms", ROOT / "dataload" / "adapters"}
    found = [path for path in (ROOT / folder).rglob("*.py") if not links & set(path.parents)]
    assert found
    return found


def imports(path: Path, *, top_level: bool) -> set[str]:
    """Full names of what a module imports, anywhere in it or only when it is imported itself."""
    tree = ast.parse(path.read_text())
    typing_only = {
        node
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and getattr(block.test, "id", "") == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    nodes = [node for node in (tree.body if top_level else ast.walk(tree)) if node not in typing_only]
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return names | {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}


def roots(names: set[str]) -> set[str]:
    return {name.split(".")[0] for name in names}


# The command line is a user of the library and may import anything, when it runs.
CORE = [path for path in modules("dataload") if path.parent.name != "commands"]


@pytest.mark.parametrize("path", CORE, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_core_imports_numpy_and_the_standard_library(path):
    top = roots(imports(path, top_level=True))
    # Only the modules that run in or talk to processes need cloudpickle, and only they are imported late.
    allowed = {"cloudpickle"} if path.parent.name in ("workers", "transport") else set()
    # Imported late too, when a file needs it.
    allowed |= {"soundfile"} if path.name == "sndfile.py" else set()
    assert not top & (FRAMEWORKS | HEAVY - allowed)
    everywhere = imports(path, top_level=False)
    assert not roots(everywhere) & FRAMEWORKS
    above = {name for name in everywhere if name.startswith(("dataload.adapters", "dataload.transforms"))}
    # The package itself imports the transforms late, when a chain in JSON names one.
    assert above == ({"dataload.transforms"} if path == ROOT / "dataload" / "__init__.py" else set())
    assert not {name for name in everywhere if name.startswith("dataload.commands")} or path.name == "__main__.py"


@pytest.mark.parametrize("path", modules("transforms"), ids=lambda path: str(path.relative_to(ROOT)))
def test_transforms_know_no_frameworks_workers_or_adapters(path):
    names = imports(path, top_level=False)
    assert not roots(names) & (FRAMEWORKS | EXTRAS | {"pyarrow"})
    assert not {name for name in names if name.startswith(("dataload.workers", "dataload.adapters", "dataload.loader"))}


@pytest.mark.parametrize("path", modules("adapters"), ids=lambda path: str(path.relative_to(ROOT)))
def test_each_framework_is_imported_by_its_own_adapter_alone(path):
    # A file, or a folder of files, has the name of its framework.
    mine = path.relative_to(ROOT / "adapters").parts[0].removesuffix(".py")
    assert not roots(imports(path, top_level=False)) & (FRAMEWORKS | EXTRAS) - {mine}


@pytest.mark.parametrize("folder", ["dataload", "transforms", "adapters"])
def test_nothing_imports_the_benchmarks_or_the_tests(folder):
    for path in modules(folder):
        assert not roots(imports(path, top_level=False)) & {"benchmarks", "tests"}, path


def run(code: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], cwd=cwd, capture_output=True, text=True, timeout=60)


def test_importing_the_library_loads_nothing_heavy():
    result = run("import sys, dataload; print(sorted({m.split('.')[0] for m in sys.modules}))")
    loaded = set(ast.literal_eval(result.stdout))
    assert "numpy" in loaded and not loaded & (FRAMEWORKS | HEAVY), loaded & (FRAMEWORKS | HEAVY)


@pytest.mark.parametrize("name", ["transforms", "adapters"])
def test_the_folders_cannot_be_imported_under_their_bare_names(name):
    result = run(f"import sys; sys.path.insert(0, {str(ROOT)!r}); import {name}")
    assert result.returncode == 1 and "ImportError" in result.stderr and f"dataload.{name}" in result.stderr


def test_every_module_says_what_lives_there_and_is_short_enough_to_read():
    for folder in ("dataload", "transforms", "adapters"):
        for path in modules(folder):
            assert ast.get_docstring(ast.parse(path.read_text())), f"{path} has no docstring"
            assert path.read_text().count("\n") <= 350, f"{path} is too long"


def test_everything_public_is_documented():
    import dataload
    import dataload.transforms

    for module in (dataload, dataload.transforms):
        for name in module.__all__:
            if name != "__version__":
                assert getattr(module, name).__doc__, f"{module.__name__}.{name} has no docstring"
