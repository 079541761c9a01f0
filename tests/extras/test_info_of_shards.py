"""`dataload info` on shards that hold images: samples, fields and sizes, and the images as a picture."""

import io
import tarfile

import numpy as np
import pytest
from PIL import Image

from dataload.commands import main
from dataload.shards.example import encode_example
from dataload.shards.tfrecord import frame

RED = (255, 0, 0)


def encoded(form):
    data = io.BytesIO()
    Image.fromarray(np.full((8, 8, 3), RED, np.uint8)).save(data, form)
    return data.getvalue()


def tar(folder):
    with tarfile.open(folder / "images.tar", "w") as file:
        for number in range(3):
            for suffix, data in {"png": encoded("PNG"), "jpg": encoded("JPEG"), "cls": b"1"}.items():
                member = tarfile.TarInfo(f"{number:03d}.{suffix}")
                member.size = len(data)
                file.addfile(member, io.BytesIO(data))
    return folder / "images.tar", ("png", "jpg", "cls")


def tfrecord(folder):
    path = folder / "images.tfrecord"
    examples = [{"image": encoded("PNG"), "photo": encoded("JPEG"), "label": i} for i in range(3)]
    path.write_bytes(b"".join(frame(encode_example(one)) for one in examples))
    return path, ("image", "photo", "label")


@pytest.mark.parametrize("write", [tar, tfrecord])
def test_images_in_shards_are_counted_and_drawn(write, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path, fields = write(tmp_path)
    out = tmp_path / "out.png"
    assert main(["info", str(path), "--plot", str(out)]) == 0
    told = capsys.readouterr().out
    assert "3 samples" in told and all(field in told for field in fields)
    with Image.open(out) as image:
        drawn = np.asarray(image.convert("RGB")).astype(int)
    # A row of three images for each of the two fields; JPEG moves a colour by a little.
    rows = np.array_split(drawn, 2)
    assert all((abs(row - RED).max(axis=2) < 4).sum() > 1000 for row in rows)
