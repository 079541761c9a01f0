"""`dataload info --plot` draws with matplotlib, and images with Pillow, which comes with it."""

import io

import numpy as np
import pytest
from PIL import Image

from dataload.commands import main


@pytest.fixture
def module(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return lambda text: (tmp_path / "mine.py").write_text(text)


@pytest.mark.slow
def test_spectrograms_of_the_first_recordings_are_drawn(recordings, tmp_path, capsys):
    out = tmp_path / "pictures" / "samples.png"
    assert main(["info", str(recordings), "--plot", str(out)]) == 0
    assert f"picture: {out}" in capsys.readouterr().out
    assert out.read_bytes().startswith(b"\x89PNG")
    with Image.open(out) as image:
        drawn = np.asarray(image.convert("RGB"))
    # Six panels beside one another, each with more than a few colours.
    assert all(len(np.unique(part.reshape(-1, 3), axis=0)) > 100 for part in np.array_split(drawn, 6, axis=1))


def test_images_are_drawn_encoded_and_as_pixels(module, tmp_path, dataload):
    data = io.BytesIO()
    Image.fromarray(np.full((8, 8, 3), (255, 0, 0), np.uint8)).save(data, "PNG")
    (tmp_path / "red.png").write_bytes(data.getvalue())
    module("""
from pathlib import Path
import numpy as np
source = [{"picture": Path("red.png").read_bytes(), "pixels": np.eye(9, dtype=np.uint8) * 255}]
""")
    done = dataload("info", "mine:source", "--plot", "out.png")
    assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / "out.png") as image:
        drawn = np.asarray(image.convert("RGB")).reshape(-1, 3)
    assert (drawn == (255, 0, 0)).all(axis=1).sum() > 1000


def test_an_image_that_is_damaged_is_told_of(module, recordings, tmp_path, capsys):
    module("""
source = [{"sound": "recordings/a.wav", "picture": bytes.fromhex("89504e47") + bytes(20)}]
""")
    assert main(["info", "mine.py:source", "--plot", "out.png"]) == 0
    assert "picture 0 is not drawn: " in capsys.readouterr().out


def test_what_has_no_picture_is_an_error_that_says_so(module, capsys):
    module("source = [{'a': 1}]")
    assert main(["info", "mine.py:source", "--plot", "out.png"]) == 2
    assert "the first samples hold neither sound nor images" in capsys.readouterr().err
