"""Ogg files: where one stream ends and the next begins, and how their channels are ordered.

libsndfile reads the first of several streams that stand one behind the other (a radio recording, files put together
with `cat`) and says nothing of the others.
"""

from __future__ import annotations

_PAGE = b"OggS\x00"
_FIRST_PAGE = b"OggS\x00\x02"
_PAGE_HEAD = 27
# Vorbis, and Opus of channel mapping family 1, by number of channels: where each channel of WAV's order is found.
# https://xiph.org/vorbis/doc/Vorbis_I_spec.html, section 4.3.9; WAV: L R C LFE, then the rear, then the sides.
WAV_ORDER = {
    3: (0, 2, 1),
    5: (0, 2, 1, 3, 4),
    6: (0, 2, 1, 5, 3, 4),
    7: (0, 2, 1, 6, 5, 3, 4),
    8: (0, 2, 1, 7, 5, 6, 3, 4),
}


def split(data: bytes) -> list[bytes]:
    """Return the streams of a file that stand one behind the other; those that run side by side stay together."""
    starts = [0]
    at = data.find(_FIRST_PAGE, _PAGE_HEAD)
    behind = _page_end(data, 0)
    while at >= 0:
        if at != behind:  # otherwise it is the first page of a stream beside the one before it
            starts.append(at)
        behind = _page_end(data, at)
        at = data.find(_FIRST_PAGE, at + _PAGE_HEAD)
    return [data[start:stop] for start, stop in zip(starts, [*starts[1:], len(data)], strict=True)]


def _page_end(data: bytes, at: int) -> int:
    head = data[at : at + _PAGE_HEAD]
    if len(head) < _PAGE_HEAD:
        return len(data)
    return at + _PAGE_HEAD + head[26] + sum(data[at + _PAGE_HEAD : at + _PAGE_HEAD + head[26]])


def holds_flac(start: bytes) -> bool:
    """Tell whether the first packet of a file begins a stream of FLAC."""
    return start[_PAGE_HEAD + 1 : _PAGE_HEAD + 6] == b"\x7fFLAC"


def flac_inside(data: bytes) -> bytes:
    """Return the FLAC file that an Ogg stream holds: its packets, without the nine bytes that Ogg puts before them."""
    serial = data[14:18]
    parts = []
    at = 0
    while at >= 0:
        end = _page_end(data, at)
        if data[at + 14 : at + 18] == serial:
            parts.append(data[at + _PAGE_HEAD + data[at + 26] : end])
        at = data.find(_PAGE, end)
        if at + _PAGE_HEAD > len(data):
            break
    return b"".join(parts)[9:]


def has_vorbis_order(first_page: bytes) -> bool:
    """Tell whether the channels of a stream stand in Vorbis' order, as those of Opus may or may not."""
    at = first_page.find(b"OpusHead", _PAGE_HEAD)
    return at < 0 or first_page[at + 18 : at + 19] == b"\x01"
