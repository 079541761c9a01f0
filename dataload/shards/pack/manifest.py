"""What a folder of shards says of itself while it is being filled: made of what, how, and which shards are finished.

Written before the first shard and after every one, so that a run that was stopped goes on behind the last.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from dataload.errors import ConfigError, SourceNotFound
from dataload.storage.places import Place

NAME = "dataload-pack.json"
_VERSION = 1


@dataclass(frozen=True)
class Finished:
    """A shard that is written.

    Attributes:
        name: of the object, without its folder.
        first: number of its first sample.
        samples: how many it holds.
        size: in bytes.
    """

    name: str
    first: int
    samples: int
    size: int


@dataclass(frozen=True)
class Manifest:
    """How shards are made, and how far that is.

    Attributes:
        source: fingerprint of the source.
        samples: of the source.
        format: "tar", "tfrecord" or "parquet".
        size: bytes that a shard holds at most.
        options: what else decides about the bytes of a shard.
        layout: what the first sample settled about the fields; empty before it.
        first: digest of the first sample as a shard holds it: a fingerprint may not show that files were replaced.
        shards: those that are finished, in order.
    """

    source: str
    samples: int
    format: str
    size: int
    options: dict[str, Any]
    layout: dict[str, Any] = field(default_factory=dict)
    first: str = ""
    shards: tuple[Finished, ...] = ()

    @property
    def next(self) -> int:
        """The number of the first sample that is in no finished shard."""
        return self.shards[-1].first + self.shards[-1].samples if self.shards else 0

    def write(self, folder: Place) -> None:
        """Write it into a folder."""
        content = {"version": _VERSION, **asdict(self)}
        folder.store.write(folder.name + NAME, [json.dumps(content, indent=1).encode() + b"\n"])

    def resumed(self, folder: Place) -> Manifest | None:
        """Return what the folder says of a run of the same source and options; None where there was none.

        A run that finished no shard binds nobody.

        Finished shards that are gone, or of another size, are left out with all behind them.

        Raises:
            ConfigError: the folder holds shards of another source, or made otherwise; its manifest is damaged.
            StorageError: it cannot be read.
        """
        found = _read(folder)
        if found is None:
            return None
        if not found.shards:
            return self
        for name in ("format", "size", "options", "samples", "source"):
            ours, theirs = getattr(self, name), getattr(found, name)
            if ours != theirs:
                raise _other(folder, f"{name} {_told(theirs)}, not {_told(ours)}")
        whole = 0
        for shard in found.shards:
            try:
                size = folder.store.stat(folder.name + shard.name).size
            except SourceNotFound:
                break
            if size != shard.size:
                break
            whole += 1
        return replace(found, shards=found.shards[:whole])

    def with_first(self, layout: dict[str, Any], first: str, folder: Place) -> Manifest:
        """Return it with what the first sample settles.

        Raises:
            ConfigError: the first sample is another than that of the shards in the folder.
        """
        if self.first not in ("", first):
            raise _other(folder, "other data: the first sample is not what it was")
        return replace(self, layout=layout, first=first)


def _other(folder: Place, what: str) -> ConfigError:
    return ConfigError(
        f"{folder.store.url(folder.name + NAME)} is of shards that were made with {what}: choose another folder, or "
        "remove those shards and that file"
    )


def _read(folder: Place) -> Manifest | None:
    try:
        # With its tag, since a store may have the one before it open still.
        text = folder.store.read(folder.name + NAME, tag=folder.store.stat(folder.name + NAME).tag)
    except SourceNotFound:
        return None
    where = folder.store.url(folder.name + NAME)
    try:
        content = json.loads(text)
        version = content.pop("version")
        if version != _VERSION:
            raise ConfigError(f"{where} has version {version}: it is of another dataload; choose another folder")
        shards = tuple(Finished(**shard) for shard in content.pop("shards"))
        found = Manifest(**content, shards=shards)
        ends = [0, *(shard.first + shard.samples for shard in shards)]
        if any(shard.first != end for shard, end in zip(shards, ends, strict=False)):
            raise ValueError("shards do not follow one another")
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"{where} is damaged: {error}; remove it and the shards, or choose another folder") from None
    return found


def _told(value: Any) -> str:
    return json.dumps(value) if isinstance(value, dict) else str(value)
