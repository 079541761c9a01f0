"""Bad input: an error that names what, where and how to fix it, and nothing left behind."""

import os
import signal
import subprocess
import sys
import threading
import traceback

import numpy as np
import pytest
import soundfile

from dataload import FileSource, Loader
from dataload.errors import (
    ChainError,
    CollateError,
    DecodeError,
    FieldError,
    NotPicklable,
    TransformError,
    WorkerError,
)
from dataload.transforms import DecodeAudio, LogMel

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("leaves_nothing")]
EVERY_KIND = pytest.mark.parametrize(("worker", "num_workers"), [("thread", 0), ("thread", 2), ("process", 2)])
ABOUT_PROCESSES = {"worker": "process", "num_workers": 1}


def text_of(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))


@pytest.fixture
def recordings(tmp_path):
    """Eight good recordings, a to h, 0.3 s at 8 kHz."""
    rng = np.random.default_rng(0)
    for name in "abcdefgh":
        soundfile.write(tmp_path / f"{name}.wav", rng.normal(0, 0.1, 2400).astype(np.float32), 8000)
    return tmp_path


def loader_of(folder, worker, num_workers, mono=True):
    return Loader(
        FileSource(folder, "*.wav", audio=str),
        transforms={"audio": [DecodeAudio(8_000, mono=mono), LogMel(8_000)]},
        batch_size=3,
        worker=worker,
        num_workers=num_workers,
    )


def spoil_with_text(path):
    path.write_text("this is a letter, not a recording " * 20)


def spoil_with_nothing(path):
    path.write_bytes(b"")


def spoil_by_truncation(path):
    good, rate = soundfile.read(path)
    soundfile.write(path.with_suffix(".flac"), np.tile(good, 20), rate)
    data = path.with_suffix(".flac").read_bytes()
    path.write_bytes(data[: len(data) // 2])
    path.with_suffix(".flac").unlink()


def spoil_the_header(path):
    data = bytearray(path.read_bytes())
    at = data.index(b"data") + 4
    data[at : at + 4] = b"\xff\xff\xff\xf0"
    path.write_bytes(bytes(data))


def spoil_the_length(path):
    soundfile.write(path, np.zeros(20, np.float32), 8000)


@EVERY_KIND
@pytest.mark.parametrize(
    ("spoil", "kind"),
    [
        (spoil_with_text, DecodeError),
        (spoil_with_nothing, DecodeError),
        (spoil_by_truncation, DecodeError),
        (spoil_the_header, DecodeError),
        (spoil_the_length, TransformError),
    ],
)
def test_a_bad_file_is_named_with_its_transform_field_and_batch(spoil, kind, worker, num_workers, recordings):
    spoil(recordings / "e.wav")
    loader = loader_of(recordings, worker, num_workers)
    delivered = 0
    with pytest.raises(kind) as caught:
        for _batch in loader:
            delivered += 1
    assert delivered == 1, "the batches before the bad one are delivered"
    text = text_of(caught.value)
    assert "e.wav" in text and "field 'audio'" in text and "batch 1 of epoch 0" in text
    assert ("LogMel(" if kind is TransformError else "DecodeAudio(") in text
    assert loader.state_dict()["samples"] == 3


@EVERY_KIND
def test_a_stereo_file_before_a_transform_for_one_channel_says_mono(worker, num_workers, recordings):
    soundfile.write(recordings / "b.wav", np.zeros((2400, 2), np.float32), 8000)
    list(loader_of(recordings, worker, num_workers).with_options(transforms={"audio": DecodeAudio(8_000)}))
    with pytest.raises(TransformError, match="mono") as caught:
        list(loader_of(recordings, worker, num_workers, mono=False))
    assert ".wav" in text_of(caught.value)


def test_transforms_at_two_sample_rates_are_refused_when_the_loader_is_made(recordings):
    with pytest.raises(ChainError, match=r"field 'audio'.*LogMel.*16000.*8000|field 'audio'.*LogMel.*8000.*16000"):
        Loader(FileSource(recordings, "*.wav", audio=str), transforms={"audio": [DecodeAudio(8_000), LogMel(16_000)]})


def test_a_class_in_the_place_of_a_transform_is_refused():
    with pytest.raises(ChainError, match=r"the class LogMel: write LogMel\(\.\.\.\)"):
        Loader([1], transforms=[LogMel])


@EVERY_KIND
def test_shapes_that_cannot_be_stacked_name_the_field_and_pad(worker, num_workers):
    source = [{"x": np.zeros(n)} for n in (1, 1, 1, 2)]
    with pytest.raises(CollateError, match=r"'x' has shape.*collate_fn=pad"):
        list(Loader(source, batch_size=4, worker=worker, num_workers=num_workers))


@EVERY_KIND
def test_a_field_that_is_not_there_lists_those_that_are(worker, num_workers):
    with pytest.raises(FieldError, match=r"no field 'sound'.*\['audio', 'label'\]") as caught:
        list(Loader([{"audio": 1, "label": 2}], transforms={"sound": abs}, worker=worker, num_workers=num_workers))
    assert "sample 0" in text_of(caught.value)


class TwoArguments(Exception):
    def __init__(self, code, reason):
        super().__init__(f"{code}: {reason}")
        self.code = code


class Unpicklable(Exception):
    def __init__(self):
        super().__init__("has a lock")
        self.lock = threading.Lock()


def raise_two(value):
    raise TwoArguments(7, "no luck")


def raise_unpicklable(value):
    raise Unpicklable


def raise_stop(value):
    raise StopIteration


def raise_os_error(value):
    raise FileNotFoundError(2, "gone", "x.bin")


@EVERY_KIND
def test_an_exception_keeps_its_type_attributes_and_traceback(worker, num_workers):
    loader = Loader([5], transforms={}, worker=worker, num_workers=num_workers)
    with pytest.raises(TwoArguments, match="7: no luck") as caught:
        list(loader.with_options(transforms=raise_two))
    assert caught.value.code == 7
    text = text_of(caught.value)
    assert "in raise_two" in text and "transform raise_two" in text and "sample 0" in text
    with pytest.raises(FileNotFoundError, match=r"gone.*x\.bin") as caught:
        list(loader.with_options(transforms=raise_os_error))
    assert caught.value.errno == 2
    with pytest.raises(WorkerError if worker == "process" else Unpicklable, match="has a lock") as caught:
        list(loader.with_options(transforms=raise_unpicklable))
    assert "transform raise_unpicklable" in text_of(caught.value)
    with pytest.raises(WorkerError, match="raised StopIteration"):
        list(loader.with_options(transforms=raise_stop))


def test_a_batch_that_cannot_be_pickled_names_the_field():
    loader = Loader([1, 2], transforms=lambda x: {"ok": x, "lock": threading.Lock()}, batch_size=2, **ABOUT_PROCESSES)
    with pytest.raises(NotPicklable, match=r"field 'lock' holds lock objects.*worker='thread'"):
        list(loader)


def test_a_transform_that_cannot_be_pickled_is_named():
    lock = threading.Lock()

    def guarded(value):
        with lock:
            return value

    with pytest.raises(NotPicklable, match=r"transform .*guarded cannot be sent.*worker='thread'"):
        list(Loader([1], transforms=guarded, **ABOUT_PROCESSES))
    with pytest.raises(NotPicklable, match="the source cannot be sent"):
        list(Loader([lock], **ABOUT_PROCESSES))


def test_a_pipeline_that_cannot_be_unpacked_in_the_worker_says_why():
    class Hidden:
        def __reduce__(self):
            return (__import__, ("a_module_that_is_nowhere",))

    with pytest.raises(ModuleNotFoundError, match="a_module_that_is_nowhere") as caught:
        list(Loader([1], collate_fn=lambda s, keep=Hidden(): s, **ABOUT_PROCESSES))  # noqa: B008
    assert "unpacking the source" in text_of(caught.value)


INTERRUPTED = """
import os, sys, threading, time
from dataload import Loader
loader = Loader(range(10**6), transforms=lambda x: time.sleep(0.01) or x, batch_size=4,
                num_workers={num_workers}, worker={worker!r})
try:
    for k, batch in enumerate(loader):
        if k == 3:
            print("ready", flush=True)
except KeyboardInterrupt:
    import psutil
    left = [p.pid for p in psutil.Process().children(recursive=True)]
    threads = [t.name for t in threading.enumerate() if t.name.startswith("dataload")]
    print("interrupted", left, threads, flush=True)
    sys.exit(7)
"""


@EVERY_KIND
def test_ctrl_c_in_the_middle_of_an_epoch_ends_everything_without_a_word_from_the_workers(worker, num_workers):
    script = INTERRUPTED.format(worker=worker, num_workers=num_workers)
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout.readline() == "ready\n"
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 7 and out == "interrupted [] []\n" and err == ""
