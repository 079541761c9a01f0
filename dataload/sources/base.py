"""What a source is, and the questions the rest of the library asks of one.

Anything with `__len__` and `__getitem__` is a source. The library's own sources, and users' if they like, answer more
questions: `__getitems__(indices)` for the samples of a whole batch at once, `stacked(indices, alloc)` for the batch
that `stack` would make of them, `describe(index)` for the name of a sample in error messages, and `fingerprint()` for
telling one data set from another when a run is resumed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from dataload.errors import ConfigError, SourceError, annotate
from dataload.memory import Allocator
from dataload.samplers.base import IndexArray


class Source(Protocol):
    """Samples by number."""

    def __len__(self) -> int:
        """Return the number of samples."""
        ...

    def __getitem__(self, index: int, /) -> Any:
        """Return sample `index`, 0 <= index < len(self)."""
        ...


def check_source(source: Any) -> None:
    """Raise ConfigError unless `source` can be read by number."""
    missing = [name for name in ("__len__", "__getitem__") if not hasattr(source, name)]
    if missing or isinstance(source, type):
        what = f"the class {source.__name__}" if isinstance(source, type) else f"a {type(source).__name__}"
        raise ConfigError(
            f"source is {what}, which has no {' and no '.join(missing) or 'instance yet'}: a source is anything "
            "with __len__ and __getitem__, such as a list, an array, a torch map-style Dataset or a FileSource"
        )
    if isinstance(source, str | bytes | dict):
        raise ConfigError(
            f"source is a {type(source).__name__}: for a folder use FileSource(root, pattern), for a table "
            "TableSource(path), for a dict of arrays ArraySource(arrays)"
        )
    _check_rows(source)


def _check_rows(source: Any) -> None:
    """Raise ConfigError for tables in memory: what they give by number is a column, a label's row, or nothing."""
    package, name = type(source).__module__.split(".")[0], type(source).__name__
    if hasattr(source, "iloc"):  # pandas and its kin
        rows = "list(series)" if getattr(source, "ndim", 2) == 1 else 'frame.to_dict("records")'
    elif package == "polars" and name == "DataFrame":
        rows = "frame.to_dicts()"
    elif package == "pyarrow" and hasattr(source, "to_pylist"):
        rows = "table.to_pylist()"
    elif hasattr(source, "__dataframe__") or (hasattr(source, "__arrow_c_stream__") and name != "Series"):
        rows = "a list of dicts, one per row"
    else:
        return
    raise ConfigError(
        f"source is a {package} {name}, whose rows are not read by number: pass {rows}, or write it to a Parquet file "
        "and pass TableSource(path)"
    )


def fetch(source: Any, indices: Sequence[int]) -> list[Any]:
    """Return one sample per index, through `__getitems__` where the source has it.

    An exception of the source gets a note that names the sample.
    """
    many = getattr(source, "__getitems__", None)
    if many is None:
        return [_fetch_one(source, index) for index in indices]
    samples = list(many(list(indices)))
    if len(samples) != len(indices):
        raise SourceError(
            f"{describe(source)}.__getitems__ returned {len(samples)} samples for {len(indices)} indices: it must "
            "return one per index, in order"
        )
    return samples


def fetch_stacked(source: Any, indices: IndexArray, alloc: Allocator) -> Any:
    """Return the batch that `stack` would make of these samples, or None if the source leaves that to `stack`."""
    stacked = getattr(source, "stacked", None)
    return None if stacked is None else stacked(indices, alloc)


def _fetch_one(source: Any, index: int) -> Any:
    try:
        return source[index]
    except Exception as error:
        annotate(error, f"while reading {describe(source, index)}")
        raise


def describe(source: Any, index: int | None = None) -> str:
    """Return a short name of a source, or of one of its samples, for messages; never raises."""
    text = repr(source) if hasattr(source, "fingerprint") else f"{type(source).__name__} of {len(source)} samples"
    if index is None:
        return text
    own = getattr(source, "describe", None)
    if own is not None:
        try:
            return f"sample {index} ({own(index)})"
        except Exception:  # A name for a message must not hide the error that the message is about.
            pass
    return f"sample {index} of {text}"


def fingerprint(source: Any) -> str:
    """Return text that is equal for equal data sets: the source's own, or its type and length."""
    own = getattr(source, "fingerprint", None)
    return str(own()) if callable(own) else f"{type(source).__name__}[{len(source)}]"
