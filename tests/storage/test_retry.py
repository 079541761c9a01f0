"""Failures that may pass are tried again, counted, and not for ever."""

import pytest

from dataload.counts import take_counts
from dataload.errors import StorageError
from dataload.storage import retry
from dataload.storage.pool import side_by_side


def failing(times):
    left = [times]

    def work():
        if left[0]:
            left[0] -= 1
            raise retry.Passing("busy")
        return "done"

    return work


def test_what_passes_is_counted_and_forgotten(monkeypatch):
    monkeypatch.setattr(retry, "_FIRST_PAUSE", 0.001)
    take_counts()
    assert retry.persistently(failing(3), "x: cannot be read", 3) == "done"
    assert take_counts().retries == 3
    with pytest.raises(StorageError, match="x: cannot be read, tried 4 times: busy"):
        retry.persistently(failing(4), "x: cannot be read", 3)
    with pytest.raises(StorageError, match="tried once: busy"):
        retry.persistently(failing(1), "x: cannot be read", 0)


def test_other_errors_are_raised_at_once():
    def work():
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        retry.persistently(work, "x", 5)


def test_counts_of_other_threads_belong_to_the_one_that_asked(monkeypatch):
    monkeypatch.setattr(retry, "_FIRST_PAUSE", 0.001)
    take_counts()
    found = side_by_side(lambda times: retry.persistently(failing(times), "x", 5), [0, 1, 2, 3])
    assert found == ["done"] * 4 and take_counts().retries == 6
