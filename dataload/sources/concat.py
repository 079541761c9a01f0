"""Several sources as one, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dataload.errors import ConfigError
from dataload.samplers.base import IndexArray
from dataload.sources.base import check_source, describe, fetch, fingerprint, runs_of, suits_concurrency


class ConcatSource:
    """The samples of the first source, then those of the second, and so on.

    With a `MixtureSampler` of the same lengths they are mixed in fixed proportions.

    Args:
        *sources: one or more sources, whose samples should have the same structure.

    Raises:
        ConfigError: there is none, or one is no source.

    >>> source = ConcatSource(["a", "b"], ["c"])
    >>> len(source), source[2], source.lengths
    (3, 'c', (2, 1))
    """

    def __init__(self, *sources: Any) -> None:
        if not sources:
            raise ConfigError("a ConcatSource needs one or more sources")
        for source in sources:
            check_source(source)
        self.sources = sources
        self._ends = np.cumsum([len(source) for source in sources], dtype=np.int64)

    @property
    def read_concurrency(self) -> int:
        """How many samples each worker should read at the same time, by that source whose reads wait longest."""
        return max(map(suits_concurrency, self.sources))

    @property
    def lengths(self) -> tuple[int, ...]:
        """Number of samples of each source."""
        return tuple(len(source) for source in self.sources)

    def __len__(self) -> int:
        return int(self._ends[-1])

    def _place(self, index: int) -> tuple[int, int]:
        """Return the number of the source, and the index in it."""
        if not 0 <= index < len(self):
            raise IndexError(f"index {index} is outside of {self!r}")
        number = int(self._ends.searchsorted(index, "right"))
        return number, index - (int(self._ends[number - 1]) if number else 0)

    def __getitem__(self, index: int) -> Any:
        number, inner = self._place(index)
        return self.sources[number][inner]

    def __getitems__(self, indices: Sequence[int]) -> list[Any]:
        """Return one sample per index; each source is asked once for all of its own."""
        places = [self._place(index) for index in indices]
        found: dict[int, list[Any]] = {}
        for number in {number for number, _ in places}:
            wanted = [inner for other, inner in places if other == number]
            found[number] = fetch(self.sources[number], wanted)[::-1]
        return [found[number].pop() for number, _ in places]

    def describe(self, index: int) -> str:
        """Return what the source calls the sample, for messages."""
        number, inner = self._place(index)
        return f"{describe(self.sources[number], inner)}, source {number}"

    def runs(self) -> IndexArray:
        """Return the runs of all sources, one after the other: (runs,) int64.

        Raises:
            ConfigError: a source does not know its runs.
        """
        return np.concatenate([runs_of(source) for source in self.sources])

    def fingerprint(self) -> str:
        """Return the fingerprints of all sources."""
        return " + ".join(map(fingerprint, self.sources))

    def __repr__(self) -> str:
        return f"ConcatSource({', '.join(map(describe, self.sources))})"
