"""Arrays as a source: one sample per row."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dataload.errors import CollateError, ConfigError
from dataload.foreign import as_array
from dataload.memory import Allocator
from dataload.samplers.base import IndexArray

Arrays = ArrayLike | dict[str, Any] | tuple[Any, ...]

# Rows that are looked at to tell one data set from another: enough to notice other data, few enough that a memory map
# of any size is fingerprinted in no time.
_FINGERPRINT_ROWS = 16


@dataclass(frozen=True)
class _Mapped:
    """An array on a memory map as it travels to another process: by the name of its file."""

    filename: str
    offset: int
    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    def open(self) -> NDArray[Any]:
        return np.asarray(np.memmap(self.filename, self.dtype, "r", self.offset, self.shape))


def _pack(array: NDArray[Any]) -> NDArray[Any] | _Mapped:
    """Return what stands for the array in a pickle: its place in a file, or itself."""
    root: Any = None
    base: Any = array
    while isinstance(base, np.ndarray):
        root = base if isinstance(base, np.memmap) else root
        base = base.base
    # A map that is written to ("c" keeps that in this process) differs from its file.
    if root is None or root.mode == "c" or not root.filename or not array.flags.c_contiguous:
        return array
    offset = root.offset + array.ctypes.data - root.ctypes.data
    return _Mapped(str(root.filename), offset, array.dtype, array.shape)


def _as_rows(name: Any, array: Any) -> NDArray[Any]:
    try:
        return as_array(array)
    except CollateError as error:
        raise ConfigError(f"array {str(name)!r} {error}") from error.__cause__


class ArraySource:
    """The rows of one array, or of several of equal length.

    Args:
        arrays: an array-like or memory map (n, ...), a dict of such (a sample is a dict of rows), or a tuple of such
            (a sample is a tuple of rows).

    Raises:
        ConfigError: there is no array, one has no axis or would lose its mask, or their lengths differ.

    >>> source = ArraySource({"x": np.arange(6).reshape(3, 2), "y": np.array([0, 1, 0])})
    >>> len(source), source[1]
    (3, {'x': array([2, 3]), 'y': np.int64(1)})
    """

    def __init__(self, arrays: Arrays) -> None:
        if isinstance(arrays, dict):
            named = {str(name): _as_rows(name, array) for name, array in arrays.items()}
        elif isinstance(arrays, tuple):
            named = {str(i): _as_rows(i, array) for i, array in enumerate(arrays)}
        else:
            named = {"": _as_rows("", arrays)}
        self._container: type | None = type(arrays) if isinstance(arrays, dict | tuple) else None
        self._keys: list[Any] = list(arrays) if isinstance(arrays, dict) else list(named)
        self._arrays: list[NDArray[Any]] = list(named.values())
        for name, array in named.items():
            if array.ndim == 0:
                raise ConfigError(f"array {name!r} is the single value {array!r}: an ArraySource needs rows")
        lengths = {name: len(array) for name, array in named.items()}
        if len(set(lengths.values())) != 1:
            raise ConfigError(
                f"arrays of an ArraySource need the same number of rows, one per sample: {lengths or 'no arrays'}"
            )

    def __len__(self) -> int:
        return len(self._arrays[0])

    def _sample(self, rows: Sequence[Any]) -> Any:
        if self._container is None:
            return rows[0]
        return tuple(rows) if issubclass(self._container, tuple) else dict(zip(self._keys, rows, strict=True))

    def __getitem__(self, index: int) -> Any:
        return self._sample([array[index] for array in self._arrays])

    def __getitems__(self, indices: Sequence[int]) -> list[Any]:
        """Return one sample per index; the rows of each array are gathered in one call."""
        taken = [np.take(array, indices, axis=0) for array in self._arrays]
        return [self._sample(rows) for rows in zip(*taken, strict=True)]

    def stacked(self, indices: IndexArray, alloc: Allocator) -> Any:
        """Return the batch of these rows, each array gathered in one call into memory of `alloc`.

        None where an array holds text or objects, which make a list and not an array.
        """
        if any(array.dtype.kind in "OUSV" for array in self._arrays):
            return None
        if indices.size and not (indices.min() >= 0 and indices.max() < len(self)):
            raise IndexError(f"indices {indices.min()}..{indices.max()} reach outside of {self!r}")
        batch = []
        for array in self._arrays:
            out = alloc((len(indices), *array.shape[1:]), array.dtype)
            # With the default mode numpy gathers into a buffer of its own and copies that.
            array.take(indices, axis=0, out=out, mode="clip")
            batch.append(out)
        return self._sample(batch)

    def fingerprint(self) -> str:
        """Return a digest of the shapes, types and a few rows."""
        state = hashlib.blake2b(digest_size=8)
        rows = np.unique(np.linspace(0, max(len(self) - 1, 0), _FINGERPRINT_ROWS).astype(np.int64))
        for key, array in zip(self._keys, self._arrays, strict=True):
            state.update(f"{key}{array.dtype}{array.shape}".encode())
            if len(self) and not array.dtype.hasobject:
                state.update(np.ascontiguousarray(array[rows]).tobytes())
        return f"ArraySource[{len(self)}]:{state.hexdigest()}"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_arrays": [_pack(array) for array in self._arrays]}

    def __setstate__(self, state: dict[str, Any]) -> None:
        arrays = [array.open() if isinstance(array, _Mapped) else array for array in state["_arrays"]]
        self.__dict__.update(state, _arrays=arrays)

    def __repr__(self) -> str:
        shapes = [f"{array.dtype}{list(array.shape)}" for array in self._arrays]
        if self._container is not None and not issubclass(self._container, tuple):
            shapes = [f"{key}: {shape}" for key, shape in zip(self._keys, shapes, strict=True)]
        return f"ArraySource({', '.join(shapes)})"
