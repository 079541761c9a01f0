"""What workers log reaches the program's handlers, as if it had been logged by threads."""

import logging
import os

import pytest

from dataload import Loader

pytestmark = [pytest.mark.usefixtures("leaves_nothing"), pytest.mark.slow]
KINDS = pytest.mark.parametrize("worker", ["thread", "process"])


class Keeps(logging.Handler):
    """A handler that keeps records."""

    def __init__(self):
        super().__init__()
        self.records = []

    def emit(self, record):
        self.records.append(record)


@pytest.fixture
def logger():
    """A logger of the program, with its own handler, put back afterwards."""
    found = logging.getLogger("dataload_tests.logs")
    handler = Keeps()
    found.addHandler(handler)
    found.kept = handler.records
    yield found
    for each in list(found.handlers):
        found.removeHandler(each)
    found.setLevel(logging.NOTSET)
    found.propagate = True
    found.filters.clear()


def talk(value):
    """Log at every level, once with values that do not travel and once with an exception."""
    logger = logging.getLogger("dataload_tests.logs")
    logger.debug("debug of %d", value)
    logger.info("info of %d", value, extra={"place": lambda: 0, "number": value})
    try:
        raise KeyError(value)
    except KeyError:
        logger.exception("could not do %s", {"value": value})
    return value


def run(worker, transform=talk, **options):
    with Loader(range(4), transforms=transform, num_workers=2, worker=worker, **options) as loader:
        assert sorted(int(batch[0]) for batch in loader) == [0, 1, 2, 3]


@KINDS
@pytest.mark.parametrize(("level", "each"), [(logging.DEBUG, 3), (logging.INFO, 2), (logging.ERROR, 1), (100, 0)])
def test_records_reach_the_handlers_at_the_level_of_their_logger(level, each, worker, logger):
    logger.setLevel(level)
    run(worker)
    assert len(logger.kept) == 4 * each
    messages = {record.getMessage() for record in logger.kept}
    assert ("info of 3" in messages) == (each >= 2) and ("debug of 3" in messages) == (each == 3)
    assert ("could not do {'value': 3}" in messages) == (each >= 1)


@KINDS
def test_an_exception_is_there_as_text_and_so_are_the_place_and_the_process(worker, logger):
    run(worker)
    text = "\n".join(
        logging.Formatter("%(levelname)s %(name)s %(funcName)s %(message)s").format(r) for r in logger.kept
    )
    assert "ERROR dataload_tests.logs talk could not do {'value': 2}" in text
    assert "Traceback (most recent call last)" in text and "KeyError: 2" in text
    assert {record.process == os.getpid() for record in logger.kept} == {worker == "thread"}


@KINDS
def test_a_logger_that_does_not_propagate_keeps_its_records_to_itself(worker, logger, caplog):
    logger.propagate = False
    run(worker)
    assert len(logger.kept) == 4 and not caplog.records
    logger.propagate = True
    run(worker)
    assert len(logger.kept) == 8 and len(caplog.records) == 4


@KINDS
def test_filters_of_the_program_and_of_its_handlers_hold(worker, logger):
    logger.setLevel(logging.INFO)
    logger.addFilter(lambda record: "of 3" not in record.getMessage())
    logger.handlers[0].addFilter(lambda record: record.levelno == logging.INFO)
    run(worker)
    assert sorted(record.getMessage() for record in logger.kept) == ["info of 0", "info of 1", "info of 2"]
    assert sorted(int(record.number) for record in logger.kept) == [0, 1, 2]


@KINDS
def test_the_level_of_a_parent_and_of_the_root_hold_too(worker, logger):
    parent, root = logging.getLogger("dataload_tests"), logging.getLogger()
    before = root.level
    try:
        root.setLevel(logging.DEBUG)
        run(worker)
        assert len(logger.kept) == 12
        parent.setLevel(logging.CRITICAL)
        run(worker)
        assert len(logger.kept) == 12
    finally:
        parent.setLevel(logging.NOTSET)
        root.setLevel(before)


def test_a_level_that_is_raised_while_workers_run_holds_at_once(logger):
    logger.setLevel(logging.DEBUG)
    with Loader(range(4), transforms=talk, num_workers=1, worker="process") as loader:
        list(loader)
        assert len(logger.kept) == 12
        logger.setLevel(logging.CRITICAL)
        list(loader)
    assert len(logger.kept) == 12


class Raises(logging.Handler):
    """A handler that is broken."""

    def emit(self, record):
        raise OSError("no space left on the device")


def test_a_handler_that_raises_does_no_harm_to_the_batches(logger, capfd):
    logger.addHandler(Raises())
    run("process")
    assert "no space left on the device" in capfd.readouterr().err


def test_a_filter_that_raises_does_no_harm_to_the_batches(logger, capfd):
    logger.addFilter(lambda record: 1 / 0)
    run("process")
    assert "ZeroDivisionError" in capfd.readouterr().err


def log_much(value):
    """Log more than a socket holds, from several threads."""
    import threading

    def chat(number):
        for i in range(200):
            logging.getLogger("dataload_tests.logs").warning("%d %d %d %s", value, number, i, "x" * 500)

    threads = [threading.Thread(target=chat, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return value


@KINDS
def test_much_is_logged_from_many_threads_without_a_loss(worker, logger):
    logger.propagate = False
    run(worker, log_much)
    found = {tuple(record.getMessage().split()[:3]) for record in logger.kept}
    assert len(found) == len(logger.kept) == 4 * 3 * 200


def log_what_is_broken(value):
    """Log records that cannot be formatted."""

    class Broken:
        def __str__(self):
            raise ValueError("no text")

    logging.getLogger("dataload_tests.logs").error("%s", Broken())
    logging.getLogger("dataload_tests.logs").error("%d %d", value)
    logging.getLogger("dataload_tests.logs").error("fine %d", value)
    return value


def test_records_that_cannot_be_formatted_do_no_harm(logger, capfd):
    run("process", log_what_is_broken)
    assert sorted(record.getMessage() for record in logger.kept) == [f"fine {i}" for i in range(4)]
    assert "no text" in capfd.readouterr().err


def log_while_forking(value):
    """Log in a child process of the worker, which must not write into the worker's socket."""
    child = os.fork()
    if child == 0:
        logging.getLogger("dataload_tests.logs").error("from a child")
        os._exit(0)
    os.waitpid(child, 0)
    return value


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot fork")
def test_a_child_of_a_worker_that_logs_does_no_harm(logger):
    run("process", log_while_forking)
    assert not logger.kept
