"""What worker="auto" has found is used the next time, by any program, as long as the work is the same."""

import json
import threading

import numpy as np
import psutil
import pytest
from streams import one_at_a_time

from dataload import Loader

pytestmark = [pytest.mark.usefixtures("leaves_nothing"), pytest.mark.timeout(120), pytest.mark.slow]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("DATALOAD_REMEMBER")
    monkeypatch.setattr("dataload.workers.auto.usable_cores", lambda: 2)
    monkeypatch.setattr("dataload.workers.auto._PATIENCE_SECONDS", 0.0)
    return tmp_path / "dataload" / "auto"


def choose(transform, epochs=6):
    """Return the first choice, and in which epoch it was made."""
    with Loader(range(600), transforms=transform, batch_size=4, num_workers=2, worker="auto") as loader:
        for epoch in range(epochs):
            assert np.array_equal(np.concatenate(list(loader)), np.arange(600))
            if loader.stats.choice is not None:
                return loader.stats.choice, epoch
    raise AssertionError("nothing was chosen")


def test_the_second_program_begins_with_what_the_first_has_found(folder):
    first, _ = choose(one_at_a_time)
    [path] = folder.glob("*.json")
    assert json.loads(path.read_text())["worker"] == first.worker and "serial" in first.samples_per_second
    second, epoch = choose(one_at_a_time)
    assert second.worker == first.worker and epoch == 0
    assert second.reason == f"as in an earlier run, {first.reason}"
    # It is not written again by who has only read it.
    assert json.loads(path.read_text())["reason"] == first.reason


def test_other_work_is_found_out_by_itself(folder):
    choose(lambda value: one_at_a_time(value) + 0)
    choose(lambda value: one_at_a_time(value) + (2 - 2))
    choose(one_at_a_time)
    found = list(folder.glob("*.json"))
    assert len(found) in (2, 3), "a lambda of another code is another one; a constant that is folded may not be"


def test_a_kind_that_does_not_work_any_more_is_found_out_anew(folder):
    lock = threading.Lock()

    def transform(value):
        with lock:
            return one_at_a_time(value)

    choose(transform)
    [path] = folder.glob("*.json")
    path.write_text(json.dumps({"worker": "process", "reason": "of before"}))
    choice, _ = choose(transform)
    assert choice.worker == "thread" and "processes cannot be used: NotPicklable" in choice.reason


@pytest.mark.parametrize("content", ["", "{", "[]", '{"worker": "none", "reason": ""}', '{"worker": 3}'])
def test_what_cannot_be_read_is_found_out_anew(folder, content):
    first, _ = choose(one_at_a_time)
    [path] = folder.glob("*.json")
    path.write_text(content)
    again, _ = choose(one_at_a_time)
    assert "serial" in again.samples_per_second and again.worker == first.worker


def test_nothing_is_kept_where_that_is_switched_off_or_cannot_be(folder, monkeypatch, tmp_path):
    monkeypatch.setenv("DATALOAD_REMEMBER", "0")
    choose(one_at_a_time)
    assert not folder.exists()
    monkeypatch.delenv("DATALOAD_REMEMBER")
    folder.parent.write_text("a file where the folder would be")
    choose(one_at_a_time)


def test_work_that_is_over_soon_never_starts_a_process(folder, monkeypatch):
    monkeypatch.setattr("dataload.workers.auto._PATIENCE_SECONDS", 60.0)
    before = psutil.Process().children()
    with Loader(range(400), transforms=one_at_a_time, batch_size=4, num_workers=2, worker="auto") as loader:
        for _ in range(2):
            assert np.array_equal(np.concatenate(list(loader)), np.arange(400))
        assert set(psutil.Process().children()) <= set(before)
        assert loader.stats.choice is None or loader.stats.choice.worker == "thread"
