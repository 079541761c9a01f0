"""The recipes of CONTRIBUTING.md run and pass the conformance checks, and the pages name files that are there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import conformance
import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "CONTRIBUTING.md").read_text()
RECIPES = dict(re.findall(r"^### (.+?)\n(.*?)(?=^##|\Z)", PAGE.split("## Recipes")[1], re.MULTILINE | re.DOTALL))
CHECKS = {name for name in vars(conformance) if name.startswith("check_")}
TOGETHER = "All of them together"
DOCUMENTS = [ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(text):
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


def called(code):
    return CHECKS & set(re.findall(r"^(\w+)\(", code, re.MULTILINE))


def run(code, folder):
    (folder / "recipe.py").write_text(code)
    path = os.pathsep.join(filter(None, [str(ROOT / "tests"), os.environ.get("PYTHONPATH")]))
    ended = subprocess.run(
        [sys.executable, "recipe.py"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.parametrize("name", [name for name in RECIPES if name != TOGETHER])
def test_a_recipe_runs_by_itself_and_ends_with_a_conformance_check(name, tmp_path):
    skeleton, check = blocks(RECIPES[name])
    assert called(check) and not called(skeleton)
    run(skeleton + check, tmp_path)


def test_the_recipes_work_together_in_every_kind_of_worker(tmp_path):
    assert list(RECIPES)[-1] == TOGETHER and '"process"' in RECIPES[TOGETHER]
    run("\n".join(blocks(PAGE)), tmp_path)


def test_there_is_a_recipe_for_every_conformance_check():
    assert called("\n".join(blocks(PAGE))) == CHECKS


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_pages_name_files_and_places_that_are_there(document):
    text = re.sub(r"```.*?```", "", document.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        place, _, heading = target.partition("#")
        if place.startswith(("http:", "https:")):
            continue
        there = document.parent / place if place else document
        assert there.exists(), target
        if heading:
            titles = re.findall(r"^#+ (.+)$", there.read_text(), re.MULTILINE)
            assert heading in {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}, target
    # What is planned is not there yet.
    text = re.split(r"^## .*Planned$", text, flags=re.MULTILINE)[0]
    for path in re.findall(r"`((?:dataload|transforms|adapters|tests|docs|examples|benchmarks)/[\w./-]*)`", text):
        assert "NAME" in path or (ROOT / path).exists(), path
