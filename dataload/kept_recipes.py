"""What results that are kept were computed by: transforms with all parameters, code, and versions; and what changed."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import platform
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from dataload.chain import RandomTransform, Transform, name_of
from dataload.code import code_digest
from dataload.errors import ChainError
from dataload.fast import switched_on
from dataload.registry import encode
from dataload.version import NUMERICS

# What may change a bit of a result when another version of it is installed.
_COMPUTE = ("numpy", "scipy", "soundfile", "soxr")
_COMPUTE_FAST = ("numba", "mkl_fft", "miniaudio")
_SUFFIX = ".recipe.json"

_log = logging.getLogger("dataload")


class Recipe(NamedTuple):
    """Some transforms in a row, as a cache names them.

    Attributes:
        chain: each with its field: JSON's values.
        code: digest of the code of those that are not the library's.
    """

    chain: tuple[Any, ...]
    code: str

    def written(self) -> dict[str, Any]:
        """Return the recipe as JSON's values, with the versions of what computes here."""
        return {"chain": self.chain, "code": self.code, "versions": _versions()}


def make_recipe(rows: Sequence[tuple[Any, Transform]]) -> Recipe:
    """Return the recipe of transforms in a row, each with its field.

    Raises:
        ChainError: one is random, or nothing says whether it is the same as another one.
    """
    code = hashlib.blake2b(digest_size=16)
    chain = []
    for field, transform in rows:
        if isinstance(transform, RandomTransform):
            raise ChainError(
                f"{name_of(transform)} is random: a Cache behind it would keep one draw for ever. Put the Cache before "
                "it"
            )
        try:
            chain.append([repr(field), encode(transform, "what stands before a Cache")])
        except ChainError as error:
            raise ChainError(
                f"a Cache must be able to tell whether {name_of(transform)} has changed: {error}"
            ) from None
        if not type(transform).__module__.startswith("dataload."):
            code.update(code_digest(transform).encode())
    # Through JSON, so that what is compared with files is of the same types.
    return Recipe(tuple(json.loads(json.dumps(chain))), code.hexdigest())


def announce(folder: Path, recipe: Recipe) -> bytes:
    """Return the name of a recipe; the first time that a folder sees it, say how it differs from the one before.

    The first values of a changed chain are computed although there is a cache, and who wonders why finds the reason.
    """
    written = recipe.written()
    text = json.dumps(written, indent=1, sort_keys=True)
    name = hashlib.blake2b(text.encode(), digest_size=16)
    path = folder / f"{name.hexdigest()}{_SUFFIX}"
    with suppress(OSError):
        before = next((recipe for recipe, _ in _recipes(folder)), None)
        try:
            with path.open("x") as file:
                file.write(text)
        except FileExistsError:
            os.utime(path)
        else:
            if before is not None:
                changes = "; ".join(_changes(before, written)) or "its JSON is written in another way"
                _log.warning(
                    "the cache %s holds results of another chain, so these are computed anew: %s", folder, changes
                )
    return name.digest()


def chains_of(folder: Path) -> list[tuple[str, float]]:
    """Return the chains whose results a folder was used for, and when last, in seconds since 1970; the latest first.

    Raises:
        OSError: the folder cannot be read.
    """
    return [(", ".join(_names(recipe["chain"])), used) for recipe, used in _recipes(folder)]


def forget(folder: Path) -> None:
    """Delete the recipes of a folder.

    Raises:
        OSError: one cannot be deleted.
    """
    for path in folder.glob(f"*{_SUFFIX}"):
        path.unlink(missing_ok=True)


def _recipes(folder: Path) -> list[tuple[dict[str, Any], float]]:
    """Return the recipes in a folder, each with the time of its last use, the latest first."""
    found = []
    for path in folder.glob(f"*{_SUFFIX}"):
        # One that another process is writing now is not whole; what somebody else has put there is none.
        with suppress(ValueError, KeyError, TypeError, FileNotFoundError):
            recipe = json.loads(path.read_text())
            _names(recipe["chain"])
            found.append((recipe, path.stat().st_mtime))
    return sorted(found, key=lambda one: one[1], reverse=True)


def _names(chain: Sequence[Any]) -> list[str]:
    return [one["transform"] if field == "None" else f"{one['transform']} on {field}" for field, one in chain]


def _changes(before: dict[str, Any], now: dict[str, Any]) -> Iterator[str]:
    """Say what differs between two recipes."""
    old, new = before["chain"], now["chain"]
    were, names = _names(old), _names(new)
    if were != names:
        yield f"the chain was {', '.join(were) or 'empty'} and is {', '.join(names)}"
    else:
        for name, (_, one), (_, other) in zip(names, old, new, strict=True):
            for field in sorted(one["fields"].keys() | other["fields"].keys()):
                was, value = one["fields"].get(field), other["fields"].get(field)
                if was != value:
                    yield f"{field} of {name} was {was!r:.60} and is {value!r:.60}"
            if one["version"] != other["version"]:
                yield f"the version of {name} was {one['version']} and is {other['version']}"
    if before.get("code") != now["code"]:
        yield "the code of your own transforms has changed"
    versions = before.get("versions", {})
    for package, version in now["versions"].items():
        if versions.get(package) != version:
            yield f"{package} was {versions.get(package)} and is {version}"


def _versions() -> dict[str, Any]:
    fast = _COMPUTE_FAST if switched_on() else ()
    return {
        "numerics of dataload": NUMERICS,
        "processor": platform.machine(),
        **{name: _version(name) for name in (*_COMPUTE, *fast)},
    }


@cache
def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
