"""docs/transforms.md shows every transform, its examples run, and its pictures are those that the script draws."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

import dataload.transforms

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "transforms.md").read_text()
SECTIONS = dict(re.findall(r"^### (\w+)\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL))
PICTURES = ROOT / "docs" / "pictures"


def test_every_transform_has_a_section_with_its_picture_and_its_reference():
    assert set(SECTIONS) == set(dataload.transforms.__all__)
    for name, text in SECTIONS.items():
        assert f"![{name}](pictures/{name}.png)" in text, name
        assert re.search(r"Reference:\s+\S", text), name


def test_every_picture_is_there_is_small_and_is_shown():
    found = {path.stem: path.stat().st_size for path in PICTURES.iterdir()}
    assert set(found) == set(SECTIONS)
    assert all(0 < size < 40_000 for size in found.values())


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("draw_transforms", ROOT / "docs" / "draw_transforms.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["draw_transforms"] = module
    spec.loader.exec_module(module)
    return module


def test_what_is_drawn_shows_a_change(script):
    for name, panels in script.DRAWINGS.items():
        before, *after = panels()
        for panel in after:
            assert np.isfinite(panel.data).all(), name
        assert any(
            panel.data.shape != before.data.shape or not np.array_equal(panel.data, before.data) for panel in after
        ), name


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for kind, suffix, count in (("recordings", "wav", 40), ("noises", "flac", 3), ("rooms", "wav", 2)):
        (tmp_path / kind).mkdir()
        for i in range(count):
            samples = rng.normal(0, 0.1, 3_000 + 10 * i)
            soundfile.write(tmp_path / kind / f"{i % 10}_{i}.{suffix}", samples, 8_000)
    return tmp_path


BLOCKS = re.findall(r"```python\n(.*?)```(?:\n\n```text\n(.*?)```)?", PAGE, re.DOTALL)


@pytest.mark.slow
@pytest.mark.parametrize(("code", "output"), BLOCKS, ids=range(len(BLOCKS)))
def test_the_examples_run_and_print_what_the_page_says(folder, code, output):
    result = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    if output:
        assert result.stdout == output


def test_there_are_examples():
    assert len(BLOCKS) == 3 and sum(bool(output) for _, output in BLOCKS) == 2
