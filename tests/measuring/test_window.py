"""Windows: how many batches are taken off a stream, and what they count as."""

import itertools
import time

import pytest

from dataload.errors import ConfigError
from dataload.measuring import endless, take


def test_a_window_takes_no_fewer_batches_than_asked_for_however_short_it_is():
    stream = itertools.count()
    assert take(stream, 0.0).count == 1
    assert take(stream, 0.0, at_least=3).count == 3
    assert next(stream) == 4


def test_a_window_ends_at_its_most_batches():
    stream = itertools.count()
    assert take(stream, 60.0, at_most=5).count == 5 and next(stream) == 5


def test_a_window_lasts_until_a_batch_comes_after_its_seconds():
    def slow():
        while True:
            time.sleep(0.02)
            yield 7

    window = take(slow(), 0.05, size=int)
    assert window.seconds >= 0.05 and window.count % 7 == 0 and window.count // 7 <= 3
    assert window.rate == window.count / window.seconds


def test_epochs_follow_each_other_until_the_stream_is_closed():
    stream = endless([1, 2])
    assert list(itertools.islice(stream, 5)) == [1, 2, 1, 2, 1]
    stream.close()
    assert list(stream) == []


def test_an_epoch_without_batches_is_an_error():
    with pytest.raises(ConfigError, match=r"\[\] has no batches to measure"):
        next(endless([]))
