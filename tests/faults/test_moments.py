"""Every way of ending an iterator, at every moment of its life: no hang, the right outcome, a loader that goes on."""

import os
import signal
import sys
import threading
import time
from pathlib import Path

import conformance
import pytest
from streams import Jitter, make

from dataload.errors import DataloadError, WorkerError

pytestmark = [pytest.mark.timeout(90), pytest.mark.usefixtures("leaves_nothing")]

KINDS = [("thread", 0, 0), ("thread", 0, 3), ("thread", 2, 0), ("process", 2, 0)]
# How many batches of four were delivered, and whether the next one is being waited for.
MOMENTS = {
    "before the first": (0, False),
    "while the first is awaited": (0, True),
    "between two": (1, False),
    "while a later one is awaited": (2, True),
    "after the last": (4, False),
    "after the end": (5, False),
}
BATCHES = 4


class Gate:
    """A transform that holds one sample back, in whichever process, until it is told to go on or to raise."""

    def __init__(self, folder, sample):
        self.folder, self.sample = folder, sample

    def __repr__(self):
        return "Gate"

    def __call__(self, value):
        if value != self.sample:
            return value
        (self.folder / "begun").touch()
        while not (self.folder / "go").exists():
            time.sleep(0.005)
        if (self.folder / "raise").exists():
            raise ValueError("the transform fails")
        return value


def fork_and_use(loader, iterator, folder, expected):
    """Use the loader and its iterator in a child process."""
    child = os.fork()
    if child:
        assert os.waitpid(child, 0)[1] == 0
        return
    code = 1
    try:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(60)
        (folder / "go").touch()
        try:
            next(iterator)
            code = 2
        except DataloadError:
            loader.set_epoch(0)
            code = 0 if conformance.equal(list(loader), expected) else 3
            loader.close()
    finally:
        os._exit(code)


def raise_in_the_loop(*_):
    raise ValueError("in the loop")


def act(name, loader, iterator, folder, expected, awaited):
    """Do what is to be tried; return what it gave."""
    if name == "close":
        return loader.close()
    if name == "iter":
        return iter(loader)
    if name == "set_epoch":
        return loader.set_epoch(3)
    if name == "load_state_dict":
        return loader.load_state_dict({**loader.state_dict(), "epoch": 2, "samples": 6})
    if name == "iterator.close":
        return iterator.close()
    if name == "fork":
        return fork_and_use(loader, iterator, folder, expected)
    if name == "ctrl-c":
        return os.kill(os.getpid(), signal.SIGINT) if awaited else signal.raise_signal(signal.SIGINT)
    assert name == "exception"
    return (folder / "raise").touch() if awaited else raise_in_the_loop()


class Elsewhere(threading.Thread):
    """Does something on another thread once a sample is held back and awaited, and lets that go on in a moment."""

    def __init__(self, folder, what):
        super().__init__(daemon=True)
        self.folder, self.what, self.result, self.error = folder, what, None, None
        self.start()

    def run(self):
        # Workers are ahead of the loop: a sample may be held back long before it is awaited.
        while not ((self.folder / "begun").exists() and awaits_a_batch(threading.main_thread())):
            time.sleep(0.005)
        acts = threading.Event()
        release = threading.Thread(target=self.release, args=[acts])
        release.start()
        try:
            acts.set()
            self.result = self.what()
        except BaseException as error:
            self.error = error
        release.join()

    def release(self, acts):
        acts.wait()
        time.sleep(0.4)
        (self.folder / "go").touch()


def awaits_a_batch(thread):
    """Return whether a thread is inside of `next` of an iterator, in the guarded line of `outcome`."""
    frame = sys._current_frames().get(thread.ident)
    while frame is not None and frame.f_back is not None and frame.f_back.f_code is not outcome.__code__:
        frame = frame.f_back
    return frame is not None and frame.f_back is not None


def outcome(iterator):
    """Return the next batch, or what is raised in its place."""
    try:
        return next(iterator)
    except BaseException as error:
        return error


ENDINGS = {
    "close": "its Loader was closed",
    "iter": "a newer one was made",
    "set_epoch": "its epoch or state was set",
    "load_state_dict": "its epoch or state was set",
}
HARMLESS = {"fork"}


@pytest.mark.parametrize(("worker", "num_workers", "read_concurrency"), KINDS)
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("name", [*ENDINGS, "iterator.close", "fork", "ctrl-c", "exception"])
def test_an_iterator_ends_rightly(name, moment, worker, num_workers, read_concurrency, tmp_path):
    delivered, awaited = MOMENTS[moment]
    plain = {"transforms": {"x": Jitter()}}
    epochs = [list(epoch) for loader in [make(**plain)] for epoch in [loader] * BATCHES]
    held = int(epochs[0][delivered]["i"][0]) if awaited else -1
    gate = Gate(tmp_path, held)
    loader = make(
        transforms={"x": Jitter(), "i": gate},
        worker=worker,
        num_workers=num_workers,
        read_concurrency=read_concurrency,
    )
    with loader:
        check(name, delivered, awaited, loader, epochs, tmp_path)
    assert not list(Path(tmp_path).glob("raise"))


def check(name, delivered, awaited, loader, epochs, folder):
    iterator = iter(loader)
    assert conformance.equal([next(iterator) for _ in range(min(delivered, BATCHES))], epochs[0][:delivered])
    over = delivered > BATCHES
    if over:
        assert isinstance(outcome(iterator), StopIteration)
    interrupted = name in ("ctrl-c", "exception")

    def do():
        return act(name, loader, iterator, folder, epochs[0], awaited)

    if awaited:
        elsewhere = Elsewhere(folder, do)
        got = outcome(iterator)
        elsewhere.join()
        assert elsewhere.error is None
        result = elsewhere.result
        (folder / "raise").unlink(missing_ok=True)
    elif interrupted:
        with pytest.raises(KeyboardInterrupt if name == "ctrl-c" else ValueError):
            do()
        result, got = None, outcome(iterator)
    else:
        result, got = do(), outcome(iterator)

    goes_on = name in HARMLESS or (interrupted and not awaited)
    if over or (goes_on and delivered == BATCHES):
        assert isinstance(got, StopIteration)
        over = True
    elif goes_on:
        assert conformance.equal(got, epochs[0][delivered])
        assert conformance.equal(list(iterator), epochs[0][delivered + 1 :])
        over = True
    elif name in ENDINGS:
        assert isinstance(got, DataloadError), got
        assert ENDINGS[name] in str(got)
    elif name == "iterator.close":
        assert isinstance(got, WorkerError | DataloadError if awaited else StopIteration), got
    else:
        assert isinstance(got, KeyboardInterrupt if name == "ctrl-c" else ValueError), got
    # It stays as it ended.
    again = outcome(iterator)
    assert isinstance(again, DataloadError if name in ENDINGS and not over else StopIteration), again

    if name == "iter":
        assert conformance.equal(list(result), epochs[1])
        return
    if name == "set_epoch":
        assert conformance.equal(list(loader), epochs[3])
        return
    if name == "load_state_dict":
        assert conformance.equal(list(loader), epochs[2][1:])
        return
    # What was delivered counts, whatever came after it, and the next loop is that of the next epoch.
    state = loader.state_dict()
    with make(transforms={"x": Jitter()}) as resumed:
        resumed.load_state_dict(state)
        assert conformance.equal(list(resumed), epochs[1] if over else epochs[0][delivered:])
    assert conformance.equal(list(loader), epochs[1])
    assert conformance.equal(list(loader), epochs[2])


@pytest.mark.parametrize(("worker", "num_workers", "read_concurrency"), KINDS)
@pytest.mark.parametrize("delivered", [0, 1, 4])
@pytest.mark.parametrize("how", ["break", "exception", "del"])
def test_a_loop_that_is_left_leaves_nothing_and_the_loader_goes_on(
    how, delivered, worker, num_workers, read_concurrency
):
    epochs = [list(epoch) for loader in [make()] for epoch in [loader] * 2]
    with make(worker=worker, num_workers=num_workers, read_concurrency=read_concurrency) as loader:
        seen = []

        def loop():
            iterator = iter(loader)
            seen.extend(next(iterator) for _ in range(delivered))
            if how == "del":
                del iterator
                return
            for _ in iterator:
                if how == "exception":
                    raise_in_the_loop()
                break

        if how == "exception" and delivered < BATCHES:
            with pytest.raises(ValueError, match="in the loop"):
                loop()
        else:
            loop()
        assert conformance.equal(seen, epochs[0][:delivered])
        assert conformance.equal(list(loader), epochs[1])
