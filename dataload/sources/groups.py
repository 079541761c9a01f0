"""Table files as groups of rows that can be read one by one.

Parquet has row groups and Arrow files have record batches; CSV and JSON have nothing, so they are cut where rows end
when they are opened, which reads such a file through once. After that each format answers the same two questions: how
many rows has each group, and what is in group g.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dataload.errors import ConfigError, DecodeError, SourceError
from dataload.sources.tables.arrow_files import ArrowGroups, ParquetGroups
from dataload.sources.tables.delimited import DelimitedGroups
from dataload.sources.tables.find import SUFFIXES, suffix_of
from dataload.sources.tables.json_kinds import Kinds
from dataload.sources.tables.json_rows import JsonGroups
from dataload.sources.tables.options import Options
from dataload.sources.tables.text_types import Known
from dataload.storage.paths import RemotePath

# Big enough that parsing dominates the read, small enough that a few of them in memory do not matter.
_BLOCK_BYTES = 4 << 20


class Rows(Protocol):
    """The rows of one group."""

    def samples(self, rows: NDArray[np.int64]) -> list[dict[str, Any]]:
        """Return one sample for each of some rows, by their numbers in the group."""
        ...


class Groups(Protocol):
    """One open table file.

    Args:
        names: of all of its columns.
        wanted: of those that are read.
        rows: how many each group has.
        types: by name, what a column is read as; those that are not read may be among them.
    """

    names: list[str]
    wanted: list[str]
    rows: list[int]
    types: dict[str, Any]

    def read(self, group: int) -> Rows:
        """Return the rows of one group."""
        ...


@dataclass
class Seen:
    """What text files told about columns so far: the types of a column follow from all of the files."""

    text: dict[str, Known] = field(default_factory=dict)
    json: Kinds = field(default_factory=Kinds)


def open_groups(path: Path | RemotePath, options: Options, seen: Seen) -> Groups:
    """Open a table file by its suffix.

    Raises:
        ConfigError: the suffix is none of those known, or a column cannot be read as it should.
        DecodeError: the file is empty, damaged, or not what its suffix says.
    """
    import pyarrow as pa

    suffix = suffix_of(path)
    if not suffix:
        raise ConfigError(
            f"{str(path)!r} is no table file: its name must end in one of {', '.join((*SUFFIXES, '.json'))}; those of "
            "text may be packed (.csv.gz)"
        )
    size = path.stat().st_size if isinstance(path, Path) else path.url.listed().size
    if size == 0:
        raise DecodeError(f"{str(path)!r} is empty (0 bytes)")
    try:
        if suffix in (".parquet", ".pq"):
            return ParquetGroups(path, options)
        if suffix in (".arrow", ".feather", ".ipc"):
            return ArrowGroups(path, options)
        if suffix in (".csv", ".tsv"):
            return DelimitedGroups(path, options, "," if suffix == ".csv" else "\t", _BLOCK_BYTES, seen.text)
        return JsonGroups(path, options, _BLOCK_BYTES, seen.json)
    except SourceError:
        raise
    except (pa.ArrowException, OSError, EOFError, UnicodeError, zlib.error) as error:
        raise DecodeError(f"{str(path)!r} cannot be read as {suffix}: {error}") from None
