"""Shard after shard of a source, each written whole or not at all, and going on behind the last one."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dataload.errors import ConfigError
from dataload.shards.pack.base import Cursor, Format, Layout
from dataload.shards.pack.manifest import NAME, Finished, Manifest
from dataload.shards.pack.parquet import Parquet
from dataload.shards.pack.tar import Tar
from dataload.shards.pack.tfrecord import TFRecord
from dataload.shards.pack.values import Samples
from dataload.sources.base import check_source, fingerprint
from dataload.storage.places import place

FORMATS = ("tar", "tfrecord", "parquet")
_PART = 8 << 20
_NAME = re.compile(r"[\w-]+")


def _open_format(name: str, suffixes: Mapping[str, str], layout: Layout) -> Format:
    if suffixes and name != "tar":
        raise ConfigError(f"--suffix is for tar files: leave it out with --format {name}")
    if name == "tar":
        return Tar(suffixes, layout)
    if name == "tfrecord":
        return TFRecord(layout)
    if name == "parquet":
        return Parquet(layout)
    raise ConfigError(f"format {name!r} must be one of {', '.join(FORMATS)}")


@dataclass(frozen=True)
class Packed:
    """What has been packed.

    Attributes:
        shards: those that are finished, in order.
        lines: of Python that make a source of them: imports, remarks, and an expression.
    """

    shards: tuple[Finished, ...]
    lines: tuple[str, ...]


class Packing:
    """A source that is packed into a folder, or is to be packed on there.

    Args:
        source: any source; its samples are packed as they are.
        out: a folder or a URL; nothing is written before `run`.
        format: "tar", "tfrecord" or "parquet".
        size: bytes that a shard holds at most; a sample that is larger has a shard of its own.
        name: what the names of the shards begin with.
        suffixes: of fields in tar files, in place of those by their values.
        files: names of fields that hold paths, in place of which the files are packed.

    Raises:
        ConfigError: there is nothing to pack; the folder holds shards of another source, or made otherwise.
        StorageError: the folder cannot be looked at.
    """

    def __init__(
        self,
        source: Any,
        out: str,
        *,
        format: str = "tar",
        size: int = 500_000_000,
        name: str = "shard",
        suffixes: Mapping[str, str] | None = None,
        files: Iterable[str] = (),
    ) -> None:
        check_source(source)
        if not len(source):
            raise ConfigError("the source has no samples: there is nothing to pack")
        if not _NAME.fullmatch(name):
            raise ConfigError(f"--name {name}: a name is letters, digits, - and _")
        self.samples = Samples(source, tuple(files))
        self.folder = place(out if out.endswith("/") else f"{out}/")
        self._name = name
        options = {"name": name, "suffixes": dict(suffixes or {}), "files": sorted(self.samples.files)}
        fresh = Manifest(fingerprint(source), len(source), format, size, options)
        self._format = _open_format(format, suffixes or {}, {})
        found = fresh.resumed(self.folder)
        if found is None:
            self._refuse_others()
        elif found.layout:
            self._format = _open_format(format, suffixes or {}, found.layout)
        self.manifest = found or fresh
        self._checked: Cursor[Any] | None = None

    @property
    def remaining(self) -> int:
        """How many samples are in no finished shard."""
        return self.manifest.samples - self.manifest.next

    @property
    def pattern(self) -> str:
        """The path or URL of the shards, with a *."""
        return self.folder.store.url(f"{self.folder.name}{self._name}-*{self._format.suffix}")

    def check(self) -> Cursor[Any]:
        """Look at the first sample, and return the place where packing goes on; `run` does both.

        Raises:
            ConfigError: an option names no field, the format cannot keep the sample, or it is another than that of the
                shards that are there.
            The errors of the source, with a note that names the sample.
        """
        self._format.settle(self.samples)
        cursor = Cursor(self.samples, self._format.encode, self.manifest.next)
        first = hashlib.blake2b(self._format.data(cursor.make(0)), digest_size=16).hexdigest()
        self.manifest = self.manifest.with_first(self._format.layout, first, self.folder)
        self._checked = cursor
        return cursor

    def run(self, on_sample: Callable[[], None] = lambda: None) -> Packed:
        """Write the shards that are missing.

        Args:
            on_sample: called after each of the `remaining` samples.

        Raises:
            ConfigError: the format cannot keep a value; a note names the sample.
            StorageError: a shard cannot be written.
            The errors of the source, with a note that names the sample.
        """
        cursor = self._checked or self.check()
        self._checked = None
        cursor.on_sample = on_sample
        self._remove_unfinished()
        # Before the first shard, so that shards without it are known to be another's.
        self.manifest.write(self.folder)
        while not cursor.over:
            self._write_shard(cursor)
            self.manifest.write(self.folder)
        return Packed(self.manifest.shards, tuple(self._format.lines(self.pattern)))

    def _write_shard(self, cursor: Cursor[Any]) -> None:
        name = f"{self._name}-{len(self.manifest.shards):06}{self._format.suffix}"
        first, size = cursor.index, 0

        def counted() -> Iterator[bytes]:
            nonlocal size
            for part in self._format.shard(cursor, self.manifest.size):
                size += len(part)
                yield part

        self.folder.store.write(self.folder.name + name, counted())
        shard = Finished(name, first, cursor.index - first, size)
        self.manifest = replace(self.manifest, shards=(*self.manifest.shards, shard))

    def _refuse_others(self) -> None:
        prefix = f"{self.folder.name}{self._name}-"
        for found in self.folder.store.list(prefix, deep=False):
            if found.name.endswith(self._format.suffix):
                raise ConfigError(
                    f"{self.folder.store.url(found.name)} is there already, and not of an earlier run of this: choose "
                    "another folder or --name, or remove it"
                )

    def _remove_unfinished(self) -> None:
        """Remove what a killed run has left of the shard that it was writing, under a hidden name."""
        if self.folder.store.remote:
            return
        shard = rf"{re.escape(self._name)}-\d{{6,}}{re.escape(self._format.suffix)}"
        hidden = re.compile(rf"\.({shard}|{re.escape(NAME)})\.[0-9a-f]{{8}}")
        for path in Path(self.folder.name).glob(".*"):
            if hidden.fullmatch(path.name):
                with suppress(OSError):
                    path.unlink()
