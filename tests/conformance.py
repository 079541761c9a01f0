"""The contracts that every source, sampler and kind of worker must pass, as functions to be called by their tests."""

import pickle
import threading
import time

import cloudpickle
import numpy as np
import pytest
from graph_numpy import to_function

from dataload import Chain, SequentialSampler
from dataload.collate import stack
from dataload.errors import WorkerError
from dataload.memory import aligned_empty
from dataload.pipeline import Pipeline
from dataload.salvage import Salvage
from dataload.stages import make_stages
from dataload.workers import Task


def equal(a, b) -> bool:
    """Whether two batches are the same bit for bit, in values, types and structure."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return list(a) == list(b) and all(equal(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(equal(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, np.ndarray | np.generic):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    return a == b


def check_source(source, *, length: int) -> None:
    """A source answers by number, the same each time, in one call or many, here or as a copy in another process."""
    assert len(source) == length
    everything = [source[i] for i in range(length)]
    assert equal(everything, [source[i] for i in range(length)])
    backwards = [*list(range(length))[::-1], 0, 0]
    if hasattr(source, "__getitems__"):
        assert equal(source.__getitems__(backwards), [everything[i] for i in backwards])
        assert equal(source.__getitems__([]), [])
    if hasattr(source, "stacked"):
        batch = source.stacked(np.array(backwards), aligned_empty)
        assert batch is None or equal(batch, stack([everything[i] for i in backwards]))
    copy = pickle.loads(cloudpickle.dumps(source))
    assert equal([copy[i] for i in range(length)], everything)
    assert copy.fingerprint() == source.fingerprint()
    assert "0x" not in repr(source), "the repr shows an address"
    assert isinstance(source.fingerprint(), str)
    for outside in (length, length + 5):
        try:
            source[outside]
        except IndexError:
            continue
        raise AssertionError(f"source[{outside}] of {length} samples did not raise IndexError")


def check_sampler(sampler, *, length: int, epoch: int = 3) -> None:
    """A sampler is a pure function of position: any part, in any order, is the same part of the same whole."""
    assert len(sampler) == length
    whole = sampler.indices(epoch, 0, length)
    assert whole.dtype == np.int64 and whole.shape == (length,)
    for start in range(0, length, max(length // 7, 1)):
        for stop in (start, min(start + 1, length), min(start + 13, length), length):
            assert np.array_equal(sampler.indices(epoch, start, stop), whole[start:stop])
    for start, stop in ((-1, 0), (0, length + 1), (1, 0)):
        try:
            sampler.indices(epoch, start, stop)
        except IndexError:
            continue
        raise AssertionError(f"positions {start}:{stop} of {length} did not raise IndexError")


def _slow_if_even(value):
    time.sleep(0.02 if value % 2 == 0 else 0)
    return value * 10


def _fail_on_seven(value):
    if value == 7:
        raise KeyError("seven")
    return value


def check_transform(transform, values) -> None:
    """A transform gives the same by itself, in a batch, and as a copy; it changes no input and shows no address."""
    kept = pickle.loads(pickle.dumps(values))
    results = [transform(value) for value in values]
    assert equal(values, kept), "the transform changed its input"
    assert equal([transform(value) for value in values], results)
    assert equal([pickle.loads(cloudpickle.dumps(transform))(value) for value in values], results)
    if hasattr(transform, "batch"):
        assert equal(transform.batch(list(values)), results)
    assert Chain([transform]).spec is not None
    assert "0x" not in repr(transform), "the repr shows an address"


def check_graph(chain) -> None:
    """The counterpart of a chain equals it on noise of any length, several clips at a time."""
    run = to_function(chain)
    rng = np.random.default_rng(0)
    for samples in (4_000, 9_001):
        clips = rng.normal(0, 0.1, (3, samples)).astype(np.float32)
        expected = np.stack([chain(clip) for clip in clips])
        assert np.allclose(run(clips), expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())


def check_adapter(make) -> None:
    """Each pass is the next epoch, and a state saved after any batch goes on with the next one.

    Args:
        make: (**options of a Loader) -> adapter over a new loader of at least two batches that compare by ==, whose
            epochs differ.
    """
    whole = list(make())
    assert len(make()) == len(whole) >= 2
    adapter = make()
    epochs = [list(adapter) for _ in range(3)]
    assert epochs[0] == whole and epochs[1] != whole
    adapter.set_epoch(0)
    assert list(adapter) == whole
    for stop in range(1, len(whole)):
        begun = make(num_workers=2, worker="thread")
        batches = iter(begun)
        assert [next(batches) for _ in range(stop)] == whole[:stop]
        resumed = make()
        resumed.load_state_dict(begun.state_dict())
        assert list(resumed) == whole[stop:] and list(resumed) == epochs[1]
        del batches


def check_workers(kind, count) -> None:
    """Workers answer every task once, in any order, errors included, and leave nothing when they are closed.

    Args:
        kind: (pipeline, count) -> workers.
        count: of the workers.
    """

    def start(pipeline):
        return kind(pipeline, count)

    def pipeline(transform):
        return Pipeline(list(range(100)), make_stages(transform), stack, 0)

    workers = start(pipeline(_slow_if_even))
    try:
        for number in range(10):
            workers.submit(Task(number, 0, np.array([number, number + 1])))
        results = {result.number: result for result in (workers.next_result(30) for _ in range(10))}
        assert sorted(results) == list(range(10))
        for number, result in results.items():
            assert result.error is None and result.seconds > 0
            assert equal(result.batch, np.array([number * 10, number * 10 + 10]))
            assert result.batch.flags.writeable and result.batch.ctypes.data % 64 == 0
        assert workers.statistics().count == count and workers.statistics().died == 0 and workers.ready() == 0
        # A second wave goes to the same workers.
        workers.submit(Task(10, 1, np.array([5])))
        assert workers.next_result(30).number == 10
    finally:
        workers.close()
    workers.close()

    workers = start(pipeline(_fail_on_seven))
    try:
        for number, index in enumerate((6, 7, 8)):
            workers.submit(Task(number, 4, np.array([index])))
        results = {result.number: result for result in (workers.next_result(30) for _ in range(3))}
        assert results[0].error is None and results[2].error is None
        error = results[1].error
        assert type(error) is KeyError and error.args == ("seven",)
        notes = "\n".join(error.__notes__)
        assert "_fail_on_seven" in notes and "sample 7" in notes and "batch 1 of epoch 4" in notes
        # Closing with work not taken, and not begun.
        for number in range(3, 30):
            workers.submit(Task(number, 4, np.array([number])))
    finally:
        workers.close()

    workers = start(pipeline(_fail_on_seven))
    try:
        workers.submit(Task(3, 0, np.array([6, 7, 8]), Salvage()))
        workers.submit(Task(4, 0, np.array([6, 7, 8]), Salvage(SequentialSampler(4))))
        results = {result.number: result for result in (workers.next_result(30) for _ in range(2))}
        assert results[3].batch.tolist() == [6, 8] and [bad.index for bad in results[3].bad] == [7]
        assert len(results[4].batch) == 3 and results[4].batch[1] == results[4].bad[0].replaced_by < 4
        # Whoever waits is woken when the workers are closed from elsewhere.
        if count:
            threading.Timer(0.1, workers.close).start()
        else:
            workers.close()
        with pytest.raises(WorkerError):
            workers.next_result(None)
    finally:
        workers.close()
