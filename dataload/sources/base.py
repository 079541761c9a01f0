"""What a source is, and the questions the rest of the library asks of one.

Anything with `__len__` and `__getitem__` is a source. Beyond that it may have optional abilities, each a protocol here:
`ManySource`, `StackedSource`, `DescribedSource`, `FingerprintedSource`, `RunSource`,
`WholeRunSource`, `RemoteSource`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

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


@runtime_checkable
class ManySource(Protocol):
    """A source that reads the samples of a whole batch in one call."""

    def __getitems__(self, indices: Sequence[int]) -> Sequence[Any]:
        """Return one sample per index, in order."""
        ...


@runtime_checkable
class StackedSource(Protocol):
    """A source that can make the batch that `stack` would make of its samples."""

    def stacked(self, indices: IndexArray, alloc: Allocator) -> Any:
        """Return the batch in memory of `alloc`, or None to leave that to `stack`."""
        ...


@runtime_checkable
class DescribedSource(Protocol):
    """A source that has names for its samples, for messages."""

    def describe(self, index: int) -> str:
        """Return what to call sample `index`, such as its file."""
        ...


@runtime_checkable
class FingerprintedSource(Protocol):
    """A source that can be told from another one, when a run is resumed."""

    def fingerprint(self) -> str:
        """Return text that is equal for equal data sets, on any machine."""
        ...


@runtime_checkable
class RemoteSource(Protocol):
    """A source whose reads wait for a network.

    Attributes:
        read_concurrency: how many samples each worker should read at the same time; 0 where reads do not wait.
    """

    read_concurrency: int


def suits_concurrency(source: Any) -> int:
    """Return how many samples each worker should read at the same time, 0 where the source does not say."""
    return int(getattr(source, "read_concurrency", 0))


@runtime_checkable
class RunSource(Protocol):
    """A source that knows which of its samples lie together, for `Loader(shuffle="blocks")`."""

    def runs(self) -> IndexArray:
        """Return how many consecutive samples each run has: (runs,) int64, in order; their sum is len(self)."""
        ...


@runtime_checkable
class WholeRunSource(RunSource, Protocol):
    """A source that reads a run whole whatever is wanted of it, and keeps those used last: its runs are never cut."""

    def keep_runs(self, count: int) -> None:
        """Keep as many runs as this from now on, or more: samples of so many are wanted in turn."""
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
    # isinstance with a protocol takes longer than many a read.
    many: ManySource | None = source if hasattr(source, "__getitems__") else None
    if many is None:
        return [_fetch_one(source, index) for index in indices]
    samples = list(many.__getitems__(list(indices)))
    if len(samples) != len(indices):
        raise SourceError(
            f"{describe(source)}.__getitems__ returned {len(samples)} samples for {len(indices)} indices: it must "
            "return one per index, in order"
        )
    return samples


def fetch_stacked(source: Any, indices: IndexArray, alloc: Allocator) -> Any:
    """Return the batch that `stack` would make of these samples, or None if the source leaves that to `stack`."""
    able: StackedSource | None = source if hasattr(source, "stacked") else None
    return None if able is None else able.stacked(indices, alloc)


def _fetch_one(source: Any, index: int) -> Any:
    try:
        return source[index]
    except Exception as error:
        annotate(error, f"while reading {describe(source, index)}")
        raise


def runs_of(source: Any) -> IndexArray:
    """Return the runs of a source: (runs,) int64.

    Raises:
        ConfigError: it does not know them, or they are not those of its samples.
    """
    length = len(source)
    if not isinstance(source, RunSource):
        raise ConfigError(
            f"{describe(source)} does not know which of its samples lie together, as shuffle='blocks' needs it: "
            "tables, shards and a SegmentSource do, a ConcatSource of these, and any source with runs(). "
            "Take shuffle=True"
        )
    runs = np.asarray(source.runs())
    if not runs.size:  # an empty list is one of floats to numpy
        runs = np.empty(0, np.int64)
    if runs.ndim != 1 or runs.dtype.kind not in "iu" or np.any(runs < 0) or int(runs.sum()) != length:
        raise ConfigError(
            f"{describe(source)} must give its runs as whole numbers from 0 up whose sum is its {length} samples, "
            f"not as {runs!r:.80}"
        )
    return runs.astype(np.int64)


def describe(source: Any, index: int | None = None) -> str:
    """Return a short name of a source, or of one of its samples, for messages; never raises."""
    text = (
        repr(source) if isinstance(source, FingerprintedSource) else f"{type(source).__name__} of {len(source)} samples"
    )
    if index is None:
        return text
    if isinstance(source, DescribedSource):
        try:
            return f"sample {index} ({source.describe(index)})"
        except Exception:  # A name for a message must not hide the error that the message is about.
            pass
    return f"sample {index} of {text}"


def fingerprint(source: Any) -> str:
    """Return text that is equal for equal data sets: the source's own, or its type and length."""
    if isinstance(source, FingerprintedSource):
        return str(source.fingerprint())
    return f"{type(source).__name__}[{len(source)}]"
