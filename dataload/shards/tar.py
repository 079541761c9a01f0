"""What is in a tar archive, found by hopping from header to header, grouped into samples as WebDataset does."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dataload.errors import DecodeError
from dataload.shards.scanning import MAX_FIELDS, Scan
from dataload.shards.tar_headers import (
    BLOCK,
    ZEROS,
    BadHeader,
    compression,
    number,
    pax_records,
    short_name,
    split_name,
    wrong_checksum,
)
from dataload.storage.places import Shard

KIND = "tar"

# As much is read at once: less where bodies are so big that a read finds one header, and the next is hopped to.
_LOCAL_BYTES = (16 << 10, 4 << 20)
_REMOTE_BYTES = (256 << 10, 4 << 20)
# Names and extended headers may be as long; a damaged size could claim anything.
_MAX_EXTENDED = 4 << 20

_FILE = ord("0")
_FILES = b"0\0" + b"7"
_NO_BODY = b"123456"
_GLOBAL, _EXTENDED, _LONG_NAME, _LONG_LINK = ord("g"), b"xX", ord("L"), ord("K")
_REFUSED = {
    ord("S"): "is a sparse file, whose bytes are not all there: write the archive without --sparse",
    ord("M"): "is the rest of a file of another volume: write the archive in one volume",
}
_TERMINATORS = b"\0 "


def scan_tar(shard: Shard) -> Scan:
    """Return the samples of a tar archive.

    Consecutive members that share a key are a sample: see `split_name`. Suffixes are in lower case. Directories and
    links are passed over.

    Raises:
        DecodeError: it is no tar archive, compressed, damaged or cut off; a member is sparse; a sample has two members
            of one suffix.
        StorageError: it cannot be read.
    """
    members = Members(shard)
    Hops(shard, members).run(0, shard.size)
    return members.scan()


class Members:
    """The members of an archive that are parts of samples, as they are found."""

    def __init__(self, shard: Shard) -> None:
        self._url = shard.place.url
        self.keys: list[bytes] = []
        self.fields: list[str] = []
        self.last: bytes | None = None
        # By the suffix as it is written.
        self.numbers: dict[bytes, int] = {}
        # One of each per member: number of its sample, number of its field, where its bytes begin, how many they are.
        self.samples: list[int] = []
        self.kinds: list[int] = []
        self.offsets: list[int] = []
        self.sizes: list[int] = []

    def add(self, key: bytes, suffix: bytes, offset: int, size: int) -> None:
        """Note a member."""
        if key != self.last:
            self.keys.append(key)
            self.last = key
        kind = self.numbers.get(suffix)
        self.samples.append(len(self.keys) - 1)
        self.kinds.append(self.number(suffix) if kind is None else kind)
        self.offsets.append(offset)
        self.sizes.append(size)

    def number(self, suffix: bytes) -> int:
        """Return the number of a suffix that is written so for the first time."""
        # It becomes the name of a column, which is text.
        field = suffix.decode("utf-8", "backslashreplace").lower()
        if field not in self.fields:
            if len(self.fields) == MAX_FIELDS:
                raise DecodeError(
                    f"{self._url}: has more than {MAX_FIELDS} suffixes, such as {field!r}: a key ends at the first dot "
                    "of a name; write the archive with keys that have none"
                )
            self.fields.append(field)
        self.numbers[suffix] = self.fields.index(field)
        return self.numbers[suffix]

    def extend(self, other: Members) -> None:
        """Note the members of the part that comes after this one."""
        suffixes = {kind: suffix for suffix, kind in other.numbers.items()}
        for sample, kind, offset, size in zip(other.samples, other.kinds, other.offsets, other.sizes, strict=True):
            self.add(other.keys[sample], suffixes[kind], offset, size)

    def scan(self) -> Scan:
        """Return the samples that were found.

        Raises:
            DecodeError: one has two members of one suffix.
        """
        samples, kinds = np.array(self.samples, np.int64), np.array(self.kinds, np.int64)
        offsets, sizes = np.array(self.offsets, np.int64), np.array(self.sizes, np.int64)
        self._check_twice(samples * max(len(self.fields), 1) + kinds)
        order = np.argsort(kinds, kind="stable")
        bounds = np.searchsorted(kinds[order], np.arange(len(self.fields) + 1))
        found = Scan(self.keys, {}, {})
        for kind, field in enumerate(self.fields):
            mine = order[bounds[kind] : bounds[kind + 1]]
            found.offsets[field] = np.zeros(len(self.keys), np.int64)
            found.sizes[field] = np.full(len(self.keys), -1, np.int64)
            found.offsets[field][samples[mine]] = offsets[mine]
            found.sizes[field][samples[mine]] = sizes[mine]
        return found

    def _check_twice(self, codes: NDArray[np.int64]) -> None:
        order = np.argsort(codes, kind="stable")
        again = np.flatnonzero(np.diff(codes[order]) == 0)
        if not again.size:
            return
        first, second = (int(order[again[0] + i]) for i in (0, 1))
        key = self.keys[self.samples[first]].decode("utf-8", "backslashreplace")
        raise DecodeError(
            f"{self._url}: the sample {key!r} has two members {self.fields[self.kinds[first]]!r}, at bytes "
            f"{self.offsets[first]} and {self.offsets[second]}: write the archive with one of each (case aside)"
        )


class Hops:
    """The way through an archive from header to header."""

    def __init__(self, shard: Shard, members: Members) -> None:
        self._shard = shard
        self._members = members
        self._fewest, self._most = _REMOTE_BYTES if shard.place.store.remote else _LOCAL_BYTES
        self._step = self._fewest
        # What extended headers say of the next member, and of all after them.
        self._long_name: bytes | None = None
        self._records: dict[bytes, bytes] = {}
        self._global: dict[bytes, bytes] = {}
        self._extended = False

    def run(self, start: int, stop: int) -> int:
        """Note the members whose headers are from one place to another; return where the next would be.

        Raises:
            DecodeError: what is there is no tar archive, or a damaged one.
        """
        place = start
        if self._shard.size < BLOCK:
            raise self._no_tar(self._shard.place.read(0, self._shard.size, self._shard.tag))
        while place < stop:
            block = self._shard.place.read(place, min(place + self._step, self._shard.size), self._shard.tag)
            heads: list[int] = []
            try:
                ended = False
                hop = self._through(block, place, min(stop - place, len(block)), heads)
                if hop < 0:
                    ended, hop = True, self._end(block, place, -hop - 1)
            except BadHeader as error:
                self._verify(block, place, heads)
                head = heads[-1]
                name = short_name(block[head : head + BLOCK].ljust(BLOCK, b"\0")).decode("utf-8", "backslashreplace")
                raise DecodeError(
                    f"{self._shard.place.url}: the header at byte {place + head} (of {name!r}) {error}"
                ) from None
            self._verify(block, place, heads)
            if ended:
                return stop
            few = len(heads) <= 2
            self._step = max(self._step // 2, self._fewest) if few else min(self._step * 2, self._most)
            place += hop
        return place

    def _through(self, block: bytes, base: int, stop: int, heads: list[int]) -> int:
        """Note the members whose headers are in a block; return where the next header is, counted from its begin.

        At the end of the archive, return -1 minus that.
        """
        members, limit, last = self._members, self._shard.size - base, len(block) - BLOCK
        keys, numbers = members.keys, members.numbers
        place = 0
        if last < 0:
            heads.append(0)
            if block.strip(b"\0"):
                raise BadHeader(f"is cut off: there are {len(block)} of its {BLOCK} bytes; fetch the archive again")
            return stop
        while place <= last and place < stop:
            heads.append(place)
            # What nearly all members are goes this way, which is short because there are millions of them.
            if block[place + 156] == _FILE and not self._extended and block[place + 135] in _TERMINATORS:
                try:
                    size = int(block[place + 124 : place + 135], 8)
                except ValueError:
                    size = number(block[place + 124 : place + 136])
                body = place + BLOCK
                if size < 0 or body + size > limit:
                    raise self._cut(size, limit - body)
                if block[place + 345]:
                    name = short_name(block[place:body])
                else:
                    end = block.find(0, place, place + 100)
                    name = block[place : end if end >= 0 else place + 100]
                # The lines of `split_name` and `Members.add`.
                begin = name.rfind(b"/") + 1
                dot = name.find(b".", begin)
                if dot > begin and (name[0] != 95 or split_name(name)):
                    key, suffix = name[:dot], name[dot + 1 :]
                    if key != members.last:
                        keys.append(key)
                        members.last = key
                    members.samples.append(len(keys) - 1)
                    members.kinds.append(numbers[suffix] if suffix in numbers else members.number(suffix))
                    members.offsets.append(base + body)
                    members.sizes.append(size)
                place = body + (size + 511 & -512)
            else:
                body = self._unusual(block, base, place)
                if body < 0:
                    heads.pop()
                    return -1 - place
                place = body
        return place

    def _unusual(self, block: bytes, base: int, place: int) -> int:
        """Note what a header says that is not one of a plain member; return where the next is, or -1 at the end."""
        header = block[place : place + BLOCK]
        if header == ZEROS:
            return -1
        kind, body = header[156], place + BLOCK
        if kind in _REFUSED:
            raise BadHeader(_REFUSED[kind])
        size = number(header[124:136])
        # A folder in an archive of before 1988 is a file whose name ends in a slash.
        plain = kind in _FILES and not (kind == 0 and short_name(header).endswith(b"/"))
        records = {**self._global, **self._records}
        if kind in _NO_BODY or (kind in _FILES and not plain):
            size = 0
        elif plain and b"size" in records:
            if not records[b"size"].isdigit() or len(records[b"size"]) > 20:
                raise BadHeader(f"comes after an extended header with the size {records[b'size']!r}")
            size = int(records[b"size"])
        left = self._shard.size - base - body
        if not 0 <= size <= left:
            raise self._cut(size, left)
        if kind in _EXTENDED or kind in (_GLOBAL, _LONG_NAME, _LONG_LINK):
            self._extend(kind, self._body(block, base, body, size))
            return body + (size + 511 & -512)
        if any(name.startswith(b"GNU.sparse.") for name in records):
            raise BadHeader(_REFUSED[ord("S")])
        if plain:
            name = self._long_name or records.get(b"path") or short_name(header)
            split = split_name(name)
            if split is not None:
                self._members.add(*split, base + body, size)
        self._long_name, self._records = None, {}
        self._extended = bool(self._global)
        return body + (size + 511 & -512)

    def _extend(self, kind: int, body: bytes) -> None:
        """Keep what an extended header says."""
        if kind == _LONG_NAME:
            self._long_name = body.split(b"\0", 1)[0]
        elif kind == _GLOBAL:
            self._global.update(
                {name: value for name, value in pax_records(body).items() if name in (b"path", b"size")}
            )
        elif kind in _EXTENDED:
            self._records = pax_records(body)
        else:
            return
        self._extended = bool(self._long_name or self._records or self._global)

    def _body(self, block: bytes, base: int, place: int, size: int) -> bytes:
        if size > _MAX_EXTENDED:
            raise BadHeader(f"is a name or an extended header of {size} bytes, and {_MAX_EXTENDED} are allowed")
        found = block[place : place + size]
        if len(found) == size:
            return found
        return self._shard.place.read(base + place, base + place + size, self._shard.tag)

    def _cut(self, size: int, left: int) -> BadHeader:
        if size < 0:
            return BadHeader("has a size below zero: the archive is damaged; fetch it again")
        return BadHeader(
            f"is of a member of {size} bytes, and the archive ends after {max(left, 0)} of them: it was cut off; fetch "
            "it again"
        )

    def _verify(self, block: bytes, base: int, heads: list[int]) -> None:
        """Raise DecodeError unless these headers have the checksums that they say."""
        whole = [head for head in heads if head + BLOCK <= len(block)]
        if not whole:
            return
        rows = np.array(whole) // BLOCK
        blocks = np.frombuffer(block, np.uint8, len(block) // BLOCK * BLOCK).reshape(-1, BLOCK)
        wrong = wrong_checksum(blocks[rows])
        if wrong is None:
            return
        at = base + whole[wrong]
        if at == 0:
            raise self._no_tar(block)
        raise DecodeError(
            f"{self._shard.place.url}: the header at byte {at} does not have the checksum that it says: the archive is "
            "damaged; fetch it again"
        )

    def _no_tar(self, begin: bytes) -> DecodeError:
        packed = compression(begin)
        if packed is not None:
            return DecodeError(
                f"{self._shard.place.url}: is compressed with {packed}, and what is compressed has no random access: "
                "unpack it, and give the .tar"
            )
        what = "is no tar archive, or is damaged at its very beginning" if begin else "is empty: it is no tar archive"
        return DecodeError(f"{self._shard.place.url}: {what}; give the .tar files alone, or fetch it again")

    def _end(self, block: bytes, base: int, place: int) -> int:
        """Check that an archive ends where a block of zeros is: one more follows, or nothing."""
        after = block[place + BLOCK : place + 2 * BLOCK]
        if not after:
            start = base + place + BLOCK
            after = self._shard.place.read(start, min(start + BLOCK, self._shard.size), self._shard.tag)
        if after.strip(b"\0"):
            raise DecodeError(
                f"{self._shard.place.url}: at byte {base + place} are zeros where a header should be, and more comes "
                "after them: the archive is damaged; fetch it again"
            )
        return place
