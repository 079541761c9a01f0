"""The script draws the pictures of docs/transforms.md, with matplotlib."""

import importlib.util
import sys
from pathlib import Path

import dataload.transforms

ROOT = Path(__file__).resolve().parents[2]


def test_the_script_draws_every_picture_and_always_the_same(tmp_path):
    spec = importlib.util.spec_from_file_location("draw_transforms", ROOT / "docs" / "draw_transforms.py")
    script = importlib.util.module_from_spec(spec)
    sys.modules["draw_transforms"] = script
    spec.loader.exec_module(script)
    assert set(script.DRAWINGS) == set(dataload.transforms.__all__)
    for name in ("SpecAugment", "Gain", "AddNoise"):
        first, second = (script.draw(name, tmp_path / folder).read_bytes() for folder in ("a", "b"))
        assert first == second and first.startswith(b"\x89PNG")
