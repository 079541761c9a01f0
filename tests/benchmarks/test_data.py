"""The generated data sets."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from benchmarks import data
from dataload import TFRecordSource


def test_speech_is_the_same_every_time_and_of_the_right_length(tmp_path):
    folders = [data.prepare(tmp_path / name, "speech", 3) for name in ("a", "b")]
    first, second = (data.files(folder, "flac") for folder in folders)
    assert len(first) == 3
    for one, other in zip(first, second, strict=True):
        samples, rate = soundfile.read(one)
        assert rate == 16_000 and 4 <= len(samples) / rate <= 16 and 0.01 < np.abs(samples).max() < 1
        np.testing.assert_array_equal(samples, soundfile.read(other)[0])


def test_more_files_are_the_same_files_and_more(tmp_path):
    few, many = (data.files(data.prepare(tmp_path, "clips", n), "wav") for n in (2, 4))
    np.testing.assert_array_equal(soundfile.read(few[1])[0], soundfile.read(many[1])[0])


def test_a_folder_that_was_not_finished_is_made_anew(tmp_path):
    folder = data.prepare(tmp_path, "clips", 2)
    (folder / "complete").unlink()
    (folder / "000001.wav").unlink()
    assert data.prepare(tmp_path, "clips", 2) == folder and len(data.files(folder, "wav")) == 2


def test_images_are_a_memory_map(tmp_path):
    images = data.images(data.prepare(tmp_path, "images", 2))
    assert isinstance(images, np.memmap) and images.shape == (2, 3, 224, 224) and images.dtype == np.float32


def test_a_workload_without_files_needs_no_folder(tmp_path):
    assert data.prepare(tmp_path, "table", 10) == tmp_path and not list(tmp_path.iterdir())
    assert [array.shape for array in data.table()] == [(10_000, 8)] * 5


def test_records_are_read_by_the_source_of_tfrecord_files(tmp_path):
    pytest.importorskip("google_crc32c")
    files = data.files(data.prepare(tmp_path, "small-records", 20), "tfrecord")
    source = TFRecordSource(files, x=("x", bytes), label=("label", int))
    assert len(files) == data.RECORD_FILES and [sample["label"] for sample in source] == list(range(20))
    assert {len(sample["x"]) for sample in source} == {200}


def test_objects_have_the_size_of_their_data_set(tmp_path):
    paths = data.files(data.prepare(tmp_path, "small-objects", 3), "bin")
    assert [Path(path).stat().st_size for path in paths] == [4_000] * 3
