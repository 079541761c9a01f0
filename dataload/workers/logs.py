"""Log records of worker processes on their way to the handlers of the program."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from typing import Any

Levels = dict[str, int]


def levels() -> Levels:
    """Return the levels that the program has set, by name of the logger; the root logger's name is empty."""
    found = {"": logging.getLogger().level}
    for name, logger in list(logging.root.manager.loggerDict.items()):
        if isinstance(logger, logging.Logger) and logger.level != logging.NOTSET:
            found[name] = logger.level
    return found


class ForwardingHandler(logging.Handler):
    """Hands each record on, as values that can travel."""

    def __init__(self, send: Callable[[dict[str, Any]], None]) -> None:
        super().__init__()
        self._send = send

    def emit(self, record: logging.LogRecord) -> None:
        """Send the record, its message and exception as text."""
        try:
            values = dict(record.__dict__)
            values.update(msg=record.getMessage(), args=None, exc_info=None)
            if record.exc_info and not record.exc_text:
                values["exc_text"] = logging.Formatter().formatException(record.exc_info)
            plain = (str, int, float, bool, type(None))
            self._send({key: value if isinstance(value, plain) else str(value) for key, value in values.items()})
        except Exception:
            self.handleError(record)


def forward(set_levels: Levels, send: Callable[[dict[str, Any]], None]) -> None:
    """Let this process's records go to the program, at the levels that it has set."""
    for name, level in set_levels.items():
        logging.getLogger(name).setLevel(level)
    logging.getLogger().addHandler(ForwardingHandler(send))


def handle(values: dict[str, Any]) -> None:
    """Give a record that was sent to the program's own handlers.

    What these raise is printed, as `logging` does with most of it: this runs where batches are received.
    """
    record = logging.makeLogRecord(values)
    logger = logging.getLogger(record.name)
    try:
        if logger.isEnabledFor(record.levelno):
            logger.handle(record)
    except Exception:
        if logging.raiseExceptions:
            traceback.print_exc()
