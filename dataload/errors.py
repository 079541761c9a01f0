"""Every error that dataload raises of its own.

    DataloadError
    ├── ConfigError (ValueError)            an argument that cannot work
    │   └── ChainError                      transforms that do not fit together
    ├── SourceError                         samples that cannot be found or read
    │   ├── SourceNotFound (FileNotFoundError)
    │   ├── DecodeError (ValueError)        a file that is damaged or not what its name says
    │   └── StorageError (OSError)          a disk, bucket or host that does not give what it is asked for
    │       └── ReplacedError               an object that is another one than was listed
    ├── FieldError (LookupError)            a field that the sample does not have
    ├── TransformError (ValueError)         a value that a transform cannot work on
    ├── CollateError (ValueError)           samples that do not make a batch
    ├── BadSamples (RuntimeError)           more samples that cannot be made than were allowed
    ├── StateError (ValueError)             a state that belongs to another run
    ├── WorkerError (RuntimeError)          a worker that cannot go on
    │   ├── WorkerDied
    │   │   └── WorkerNeverStarted
    │   ├── WorkerTimeout (TimeoutError)
    │   └── NotPicklable (TypeError)        something that cannot travel to or from a process
    └── MissingExtra (ImportError)          an optional package that is not installed

Each also derives from the builtin in brackets, so code that catches the builtin keeps working. An exception raised
by a user's own source, transform or collate function keeps its type; the loader adds notes to it (`add_note`).
"""

from __future__ import annotations


class DataloadError(Exception):
    """Root of the library's own errors."""


class ConfigError(DataloadError, ValueError):
    """An argument that cannot work; the message names it and says what is allowed."""


class ChainError(ConfigError):
    """Two transforms that do not fit together, found when the chain is made."""


class SourceError(DataloadError):
    """Samples that cannot be found or read."""


class SourceNotFound(SourceError, FileNotFoundError):
    """A folder, file or pattern with nothing there."""


class DecodeError(SourceError, ValueError):
    """A file that is damaged, empty or not what its name says."""


class StorageError(SourceError, OSError):
    """A disk, bucket or host that does not give what it is asked for; the message names the object."""


class ReplacedError(StorageError):
    """An object that is another one than was listed or indexed."""


class FieldError(DataloadError, LookupError):
    """A field that the sample does not have."""


class TransformError(DataloadError, ValueError):
    """A value that a transform cannot work on."""


class CollateError(DataloadError, ValueError):
    """Samples that do not make a batch."""


class BadSamples(DataloadError, RuntimeError):
    """More samples could not be made than `max_errors` allows; the message lists the first of them."""


class StateError(DataloadError, ValueError):
    """A state that belongs to another data set, seed, sampler or version."""


class WorkerError(DataloadError, RuntimeError):
    """A worker that cannot go on."""


class WorkerDied(WorkerError):
    """A worker process that ended by itself; the message names the signal or exit code."""


class WorkerNeverStarted(WorkerDied):
    """A worker process that ended before it was ready for work; the message names the exit code."""


class WorkerTimeout(WorkerError, TimeoutError):
    """No batch within `timeout` seconds."""


class NotPicklable(WorkerError, TypeError):
    """Something that cannot travel to or from a worker process."""


class MissingExtra(DataloadError, ImportError):
    """An optional package that is not installed; the message names the extra that brings it."""


def annotate(error: BaseException, note: str) -> None:
    """Add a note to an exception, which a user's class may refuse; the exception counts more than the note."""
    try:
        error.add_note(note)
    except Exception:
        return


def for_the_loop(error: BaseException) -> BaseException:
    """Return the exception to raise in the training loop for one that was raised where a batch was made.

    StopIteration, GeneratorExit, SystemExit, CancelledError and their like mean something to the code around the loop:
    an epoch that is over, a program that ends without a word. Raised by a source, transform or collate function they
    are errors, in every kind of worker. Ctrl-C stays what it is.
    """
    if isinstance(error, Exception | KeyboardInterrupt) and not isinstance(error, StopIteration | StopAsyncIteration):
        return error
    converted = WorkerError(f"the source, a transform or collate_fn raised {type(error).__name__}: {error}")
    for note in getattr(error, "__notes__", ()):
        converted.add_note(str(note))
    converted.__cause__ = error
    return converted
