"""Passes over a loader for careless frameworks: late begins, looks, last batches, and batches taken ahead."""

import gc
import threading
import time
from itertools import islice

import pytest
from adapter_data import epochs, fail_on_seven, labels, make, twenty_numbers

from dataload import Loader
from dataload.adapters.passes import Passes, PassHooks
from dataload.errors import DataloadError

FIRST, SECOND, THIRD = epochs(3)
AHEAD = pytest.mark.parametrize("ahead", [0, 1, 3])


def same(batch):
    return batch


def looked():
    """Stands for a tool that looks at the first batch."""
    return True


def where(passes):
    state = passes.state_dict()
    return state["epoch"], state["samples"]


@AHEAD
@pytest.mark.parametrize("options", [{}, {"num_workers": 2, "worker": "thread"}])
def test_each_pass_is_the_next_epoch(ahead, options, leaves_nothing):
    with make(**options) as loader:
        passes = Passes(loader, same, ahead=ahead)
        assert [labels(passes.start()) for _ in range(3)] == [FIRST, SECOND, THIRD]


@AHEAD
def test_the_state_counts_what_was_handed_out_and_nothing_ahead_of_it(ahead, leaves_nothing):
    passes = Passes(make(), same, ahead=ahead)
    current = passes.start()
    assert where(passes) == (0, 0)
    for taken in range(1, 4):
        next(current)
        time.sleep(0.02)  # time enough to go ahead
        assert where(passes) == (0, 6 * taken)
    next(current)
    assert where(passes) == (0, 20) and passes.at_last
    assert next(current, None) is None
    assert where(passes) == (1, 0) and not passes.at_last


@AHEAD
@pytest.mark.parametrize("taken", [0, 1, 2, 3, 4])
def test_a_state_saved_between_two_steps_continues_with_the_next_batch(ahead, taken, leaves_nothing):
    passes = Passes(make(), same, ahead=ahead)
    current = passes.start()
    list(islice(current, taken))
    state = passes.state_dict()
    resumed = Passes(make(), same, ahead=ahead)
    resumed.load_state_dict(state)
    assert [labels(resumed.start()), labels(resumed.start())] == [FIRST[taken:], SECOND]
    passes.load_state_dict(state)
    assert [labels(passes.start()), labels(passes.start())] == [FIRST[taken:], SECOND]


@AHEAD
def test_a_pass_that_was_left_leaves_the_state_where_the_loop_was(ahead, leaves_nothing):
    passes = Passes(make(), same, ahead=ahead)
    list(islice(passes.start(), 2))
    assert where(passes) == (0, 12)
    assert labels(passes.start()) == SECOND


@AHEAD
def test_a_pass_begins_with_its_first_batch_and_not_before(ahead, leaves_nothing):
    passes = Passes(make(), same, ahead=ahead)
    early = passes.start()
    passes.start()
    passes.set_epoch(1)
    assert labels(early) == SECOND


@AHEAD
def test_a_pass_that_the_users_own_code_leaves_is_an_epoch_however_short(ahead, leaves_nothing):
    passes = Passes(make(), same, ahead=ahead)
    for epoch in (FIRST, SECOND, THIRD):
        assert labels(islice(passes.start(), 1)) == epoch[:1]


@AHEAD
def test_a_pass_in_which_a_tool_took_the_first_batch_was_only_a_look(ahead, leaves_nothing):
    passes = Passes(make(), same, ahead=ahead, is_look=looked)
    for _ in range(2):
        assert labels(islice(passes.start(), 1)) == FIRST[:1]
    # Until another one begins the state is exact: somebody may have trained on that batch.
    assert where(passes) == (0, 6)
    assert labels(passes.start()) == FIRST


@AHEAD
def test_a_look_in_a_resumed_epoch_returns_to_where_that_was_resumed(ahead, leaves_nothing):
    state = Passes(make(), same)
    next(begun := state.start())
    passes = Passes(make(), same, ahead=ahead, is_look=looked)
    passes.load_state_dict(state.state_dict())
    del begun
    next(passes.start())
    passes.set_epoch(0)  # as Lightning and others do at the top of each epoch
    assert labels(passes.start()) == FIRST[1:]


@AHEAD
def test_a_state_loaded_after_a_look_is_what_counts(ahead, leaves_nothing):
    passes = Passes(make(), same, ahead=ahead)
    next(passes.start())
    passes.load_state_dict(passes.state_dict())
    assert labels(passes.start()) == FIRST[1:]


@AHEAD
@pytest.mark.parametrize("worker", ["thread", "process"])
def test_workers_live_on_when_nobody_asks_for_more_than_the_last_batch(ahead, worker, leaves_nothing):
    with make(num_workers=2, worker=worker) as loader:
        passes = Passes(loader, same, ahead=ahead)
        kept = [passes.start()]
        assert labels(islice(kept[-1], 4)) == FIRST
        workers = loader.crew.workers
        passes.set_epoch(1)
        kept.append(passes.start())
        assert labels(islice(kept[-1], 4)) == SECOND
        assert loader.crew.workers is workers is not None
        assert labels(passes.start()) == THIRD


@AHEAD
def test_a_newer_pass_ends_an_older_one_with_an_error_that_says_so(ahead, leaves_nothing):
    passes = Passes(make(), same, ahead=ahead)
    older, newer = passes.start(), passes.start()
    list(islice(older, 2))
    assert labels(newer) == SECOND
    with pytest.raises(DataloadError, match="a newer one was made"):
        next(older)


@AHEAD
def test_an_exception_passes_unchanged_with_its_notes(ahead, leaves_nothing):
    passes = Passes(Loader(twenty_numbers(), transforms=fail_on_seven, batch_size=4), same, ahead=ahead)
    current = passes.start()
    next(current)
    with pytest.raises(KeyError, match="seven is broken") as caught:
        next(current)
    assert any("sample 7" in note for note in caught.value.__notes__)
    assert where(passes) == (0, 4)
    with pytest.raises(DataloadError, match="it met an error"):
        next(current)


@AHEAD
def test_what_happens_to_a_batch_on_its_way_may_fail_too(ahead, leaves_nothing):
    def refuse(batch):
        raise ValueError("no room")

    with make(num_workers=2, worker="thread") as loader, pytest.raises(ValueError, match="no room"):
        next(Passes(loader, refuse, ahead=ahead).start())


def test_batches_are_placed_on_a_thread_and_received_on_the_loops_own():
    placed, received = set(), set()

    def place(batch):
        placed.add(threading.current_thread().name)
        return batch

    def receive(batch):
        received.add(threading.current_thread().name)
        return batch

    assert labels(Passes(make(), place, arrive=receive, ahead=2).start()) == FIRST
    assert placed == {"dataload-ahead"} and received == {threading.current_thread().name}


def test_no_more_is_taken_ahead_than_was_said():
    placed = []
    current = Passes(Loader(range(100)), placed.append, ahead=2).start()
    next(current)
    deadline = time.monotonic() + 5
    while len(placed) < 4 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.1)
    # One was handed out, two wait, and one more waits for its place.
    assert len(placed) == 4


@AHEAD
def test_dropping_a_pass_ends_its_thread_and_the_workers(ahead, leaves_nothing):
    loader = make(num_workers=2, worker="process")
    current = Passes(loader, same, ahead=ahead).start()
    next(current)
    del current, loader
    gc.collect()


def test_hooks_hear_of_epochs_and_passes():
    heard = []

    class Hooks(PassHooks):
        def epoch(self, epoch):
            heard.append(epoch)

        def began(self):
            heard.append("began")

        def ended(self):
            heard.append("ended")

    passes = Passes(make(), same, hooks=Hooks())
    labels(passes.start())
    passes.set_epoch(4)
    next(passes.start())
    assert heard == [0, "began", 1, "ended", 4, 4, "began", 4, "ended"]
