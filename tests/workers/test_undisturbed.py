"""Steps that Ctrl-C may not tear apart are done before it is raised."""

import os
import signal
import threading
import time

import pytest

from dataload.workers.undisturbed import undisturbed

pytestmark = [pytest.mark.usefixtures("leaves_nothing"), pytest.mark.timeout(60)]


def interrupt():
    os.kill(os.getpid(), signal.SIGINT)


def test_a_step_is_done_before_an_interrupt_is_raised():
    done = []

    def step():
        interrupt()
        time.sleep(0.2)
        done.append(threading.current_thread())

    with pytest.raises(KeyboardInterrupt):
        undisturbed(step)
    assert done and done[0] is not threading.main_thread()


def test_who_interrupts_is_in_a_hurry_each_time():
    hurried, hurry = [], threading.Event()

    def step():
        interrupt()
        assert hurry.wait(30)

    def on_interrupt():
        hurried.append(1)
        if len(hurried) == 2:
            hurry.set()
        else:
            interrupt()

    with pytest.raises(KeyboardInterrupt):
        undisturbed(step, hurry=on_interrupt)
    assert len(hurried) == 2


def test_what_a_step_raises_is_raised():
    with pytest.raises(ZeroDivisionError):
        undisturbed(lambda: 1 // 0)
    with pytest.raises(SystemExit):
        undisturbed(exit)


def test_a_step_is_done_here_where_no_thread_can_be_started_and_on_other_threads(monkeypatch):
    done = []
    thread = threading.Thread(target=undisturbed, args=(lambda: done.append(threading.current_thread()),))
    thread.start()
    thread.join()
    assert done == [thread]

    def refuse(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    undisturbed(lambda: done.append(threading.current_thread()))
    assert done[1:] == [threading.main_thread()]


def test_an_interrupt_before_a_step_has_begun_leaves_it_undone(monkeypatch):
    done = []

    def late(self):
        raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", late)
    with pytest.raises(KeyboardInterrupt):
        undisturbed(lambda: done.append(1))
    assert not done
