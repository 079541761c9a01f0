"""Columns that stand in the names of folders, such as year=2021."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from dataload.errors import ConfigError
from dataload.sources.tables.find import TableFile
from dataload.sources.tables.options import AS_WRITTEN, Options
from dataload.sources.tables.text_types import known_of
from dataload.sources.tables.values import column_values


def part_values(files: Sequence[TableFile], options: Options) -> list[dict[str, Any]]:
    """Return for each file the values of such columns: typed like those of delimited text, over all files.

    Raises:
        ConfigError: one is not of the type that was named for it.
    """
    import pyarrow as pa

    parts: list[dict[str, Any]] = [{} for _ in files]
    for name in dict.fromkeys(name for file in files for name in file.parts):
        if options.columns is not None and name not in options.columns:
            continue
        texts = pa.array([file.parts.get(name) for file in files], pa.string())
        kind = options.types.get(name) or known_of(texts.drop_null(), ()).type()
        try:
            values = column_values(pa.chunked_array([texts.cast(pa.string() if kind == AS_WRITTEN else kind)]))
        except (pa.ArrowException, ValueError) as error:
            raise ConfigError(
                f"column {name!r}, which stands in the names of folders, cannot be read as {kind}: {error}"
            ) from None
        for part, value in zip(parts, values, strict=True):
            part[name] = value
    return parts


def without_parts(options: Options, parts: Sequence[dict[str, Any]]) -> Options:
    """Return the options for what stands in the files themselves.

    Raises:
        ConfigError: nothing of that is read.
    """
    names = set().union(*parts)
    if not names:
        return options
    columns = options.columns and tuple(name for name in options.columns if name not in names)
    if columns == ():
        raise ConfigError(f"columns={list(options.columns or ())} are names of folders: name a column in the files too")
    types = {name: kind for name, kind in options.types.items() if name not in names}
    return replace(options, columns=columns, types=types)
