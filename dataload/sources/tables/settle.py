"""One type for each column of a source, whichever of its files a row is in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dataload.errors import ConfigError, DecodeError
from dataload.sources.groups import Groups, Seen
from dataload.sources.tables.arrow_types import common_type
from dataload.sources.tables.delimited import DelimitedGroups
from dataload.sources.tables.json_rows import JsonGroups
from dataload.sources.tables.options import AS_WRITTEN, Options
from dataload.sources.tables.text_types import Known
from dataload.storage.paths import RemotePath

_PYTHON_NAMES = {
    int: "a whole number",
    float: "a fraction",
    bool: "true or false",
    str: "text",
    list: "a list",
    dict: "an object",
}


def settle(paths: Sequence[Path | RemotePath], files: Sequence[Groups], options: Options, seen: Seen) -> None:
    """Give each column of each file the type that it has in all of them.

    Raises:
        ConfigError: there is none, or files have different columns.
        DecodeError: values in a JSON column have several types.
    """
    _check_names(paths, files, options)
    _check_mixed(paths, files, options, seen)
    names = dict.fromkeys(name for file in files if not isinstance(file, JsonGroups) for name in file.wanted)
    for file in files:
        if not isinstance(file, JsonGroups):
            file.wanted = list(names)  # A sample has its fields in one order, whatever file it is from.
    if not names:
        return  # Columns of JSON alone have the types of what is known of them.
    names |= dict.fromkeys(name for name in seen.json if options.columns is None or name in options.columns)
    for name in names:
        kind = options.types[name] if name in options.types else _common(name, paths, files, seen)
        for file in files:
            file.types[name] = kind


def _type_in(name: str, file: Groups, seen: Seen) -> Any:
    if isinstance(file, JsonGroups):
        return seen.json[name].arrow_type() if name in seen.json else None
    if isinstance(file, DelimitedGroups):
        return seen.text.get(name, Known()).type()
    return file.types[name]


def _common(name: str, paths: Sequence[Path | RemotePath], files: Sequence[Groups], seen: Seen) -> Any:
    import pyarrow as pa

    common, said_by = pa.null(), paths[0]
    for path, file in zip(paths, files, strict=True):
        if name not in file.names:
            continue
        kind = _type_in(name, file, seen)
        both = None if kind is None else common_type(common, kind)
        if both is None:
            raise ConfigError(
                f"column {name!r} is {common} in {str(said_by)!r} but {kind or 'JSON of several types'} in "
                f"{str(path)!r}: name the type that all of them have in types={{{name!r}: ...}} ('string' keeps text "
                "and numbers as they are written), or leave the column out with columns="
            )
        if both != common:
            common, said_by = both, path
    return common


def _check_names(paths: Sequence[Path | RemotePath], files: Sequence[Groups], options: Options) -> None:
    first = next((i for i, file in enumerate(files) if not isinstance(file, JsonGroups)), 0)
    names = files[first].names
    for path, file in zip(paths, files, strict=True):
        # Rows of JSON have the keys that stand there, each its own.
        if options.columns is None and not isinstance(file, JsonGroups) and set(file.names) != set(names):
            raise ConfigError(
                f"{str(path)!r} has the columns {file.names}, {str(paths[first])!r} has {names}: files of one source "
                "need the same columns; name those to read with columns="
            )
    everywhere = {name for file in files for name in file.names}
    named = options.columns or tuple(options.types)
    for name in named:
        if name not in everywhere:
            raise ConfigError(f"{str(paths[0])!r} has no column {name!r}: its columns are {names}")


def _check_mixed(paths: Sequence[Path | RemotePath], files: Sequence[Groups], options: Options, seen: Seen) -> None:
    for name, kind in seen.json.items():
        if name in options.types or not kind.mixed:
            continue
        places = [
            (number, file.first_rows[name, found], _PYTHON_NAMES[found])
            for number, file in enumerate(files)
            for found in kind.types
            if isinstance(file, JsonGroups) and (name, found) in file.first_rows
        ]
        said = [f"{what} in row {row} of {str(paths[number])!r}" for number, row, what in sorted(places)]
        raise DecodeError(
            f"column {name!r} is {' but '.join(said)}, which have no type in common: "
            f"types={{{name!r}: {AS_WRITTEN!r}}} leaves its values as they are written"
        )
