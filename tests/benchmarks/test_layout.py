"""The benchmarks' own order: who imports which peer, and that every row can be run or says why not."""

import ast
from pathlib import Path

import pytest

import benchmarks
from benchmarks.goals import GOALS
from benchmarks.systems import SYSTEMS
from benchmarks.workloads import BY_NAME, WORKLOADS

FOLDER = Path(benchmarks.__file__).parent
MODULES = sorted(FOLDER.rglob("*.py"))
SYSTEM_MODULES = sorted({system.module for system in SYSTEMS.values()})
PEERS = {"torch", "tensorflow", "grain", "spdl", "lhotse", "webdataset", "streaming", "litdata"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(FOLDER)))
def test_every_module_is_short_and_says_what_lives_there(path):
    assert ast.get_docstring(ast.parse(path.read_text())) and path.read_text().count("\n") <= 350


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(FOLDER)))
def test_only_the_module_of_a_peer_imports_it(path):
    mine = {
        "tfdata": {"tensorflow"},
        "tfsignal": {"tensorflow"},
        "lhotse": {"lhotse", "torch"},
        "webdataset": {"webdataset", "torch"},
        "streaming": {"streaming", "torch"},
        "litdata": {"litdata", "torch"},
    }
    allowed = mine.get(path.stem, {path.stem}) if path.parent.name in ("systems", "features") else set()
    allowed |= {"torch"} if path.name == "gpu.py" else set()
    nodes = ast.parse(path.read_text()).body
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    assert not {name.split(".")[0] for name in names} & (PEERS - allowed)


@pytest.mark.parametrize("name", SYSTEM_MODULES)
def test_every_system_has_a_function_or_a_reason_for_each_of_its_workloads(name):
    tree = ast.parse((FOLDER / "systems" / f"{name}.py").read_text())
    tables = {
        node.targets[0].id: {leaf.value for leaf in ast.walk(node.value) if isinstance(leaf, ast.Constant)}
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    named = tables["RUNS"] | tables.get("CANNOT", set())
    for system in SYSTEMS.values():
        for workload in WORKLOADS:
            if system.module == name and system.runs(workload.name):
                assert workload.name in named, (system.name, workload.name)


@pytest.mark.parametrize("goal", GOALS, ids=lambda goal: f"{goal.where}: {goal.text}")
def test_every_goal_names_rows_that_are_run(goal):
    where = BY_NAME[goal.where].runs
    rows = {system.name for system in SYSTEMS.values() if system.runs(where)}
    roles = {f"any {system.role}" for system in SYSTEMS.values() if system.runs(where)}
    assert goal.ours and set(goal.ours) <= rows and set(goal.theirs) <= rows | roles


def test_every_workload_with_a_goal_in_whole_batches_divides_its_data():
    for workload in WORKLOADS:
        if workload.name not in ("table", "growth samples"):
            assert workload.samples % workload.batch_size == workload.quick_samples % workload.batch_size == 0
