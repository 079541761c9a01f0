"""The names of the formats that cannot be read here, by how their files begin.

A file that is whole and of another format must not be called damaged.
"""

from __future__ import annotations

import re

_CONVERT = "convert it to FLAC or WAV, e.g. with ffmpeg -i {} out.flac"
_STARTS = (
    (rb"....ftypqt", "a QuickTime movie (mov)"),
    (rb"....ftyp3g", "3GPP (3gp: AMR or AAC)"),
    (rb"....ftyp", "MPEG-4 audio (m4a, mp4: AAC or ALAC)"),
    (rb"....(moov|mdat|wide|free|skip)", "MPEG-4 or QuickTime (m4a, mp4, mov)"),
    (rb"\xff[\xf0\xf1\xf8\xf9]", "AAC (ADTS)"),
    (rb"ADIF", "AAC (ADIF)"),
    (rb"#!AMR-WB", "AMR-WB"),
    (rb"#!AMR", "AMR"),
    (rb"\x1aE\xdf\xa3", "Matroska or WebM (mka, mkv, webm)"),
    (rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "Windows Media (wma, asf)"),
    (rb"wvpk", "WavPack"),
    (rb"MAC ", "Monkey's Audio (ape)"),
    (rb"TTA[12]", "True Audio (tta)"),
    (rb"MPCK|MP\+", "Musepack"),
    (rb"OFR ", "OptimFROG"),
    (rb"TAK|tBaK", "TAK"),
    (rb"LA0[234]", "Lossless Audio"),
    (rb"ajkg", "Shorten"),
    (rb"\.RMF|\.ra\xfd", "RealAudio"),
    (rb"FLV", "Flash video"),
    (rb"\x0bw", "AC-3 (Dolby Digital)"),
    (rb"\x7f\xfe\x80\x01|\xfe\x7f\x01\x80|\x1f\xff\xe8\x00|\xff\x1f\x00\xe8", "DTS"),
    (rb"DSD |FRM8", "DSD"),
    (rb"MThd", "MIDI, which holds notes and no sound"),
    (rb"RIFF....(AVI |RMID)", "AVI or MIDI in RIFF"),
    (rb"G.{187}G", "an MPEG transport stream"),
    (rb"\x00\x00\x01\xba", "an MPEG program stream"),
    (rb"QCLM|RIFF....QLCM", "QCELP"),
    (rb"#VRML|\x02iLBC|#!iLBC", "iLBC"),
    (rb"#!SILK_V3|\x02#!SILK_V3", "SILK"),
)
_FORMATS = [(re.compile(pattern, re.DOTALL), name) for pattern, name in _STARTS]
_IN_OGG = {b"Speex   ": "Speex in Ogg", b"\x80theora": "Theora video in Ogg"}
# By the tag in the header.
_IN_WAV = {
    0x0092: "AC-3",
    0x00FF: "AAC",
    0x0160: "Windows Media",
    0x0161: "Windows Media",
    0x0162: "Windows Media",
    0x0163: "Windows Media",
    0x0180: "AAC",
    0x0270: "ATRAC3",
    0x1600: "AAC",
    0x1602: "AAC",
    0x1610: "AAC",
    0x2000: "AC-3",
    0x2001: "DTS",
    0x566F: "Vorbis",
    0x706D: "AAC",
    0x7A21: "AMR",
    0xA106: "AAC",
    0xF1AC: "FLAC",
}


def of_start(start: bytes) -> str | None:
    """Return the name of the format of a file that begins so and that cannot be read; None where none is known."""
    for pattern, name in _FORMATS:
        if pattern.match(start):
            return name
    magic = start[:4]
    if magic == b"OggS":
        return next((name for mark, name in _IN_OGG.items() if mark in start[:64]), None)
    if magic == b"NIST":
        return "NIST SPHERE packed with Shorten" if b"short" in start else None
    if magic == b"caff" and start[28:32] in (b"aac ", b"alac", b"opus"):
        return f"{start[28:32].decode().strip().upper()} in CAF"
    if magic == b"fLaC":
        return (
            f"FLAC of {_flac_bits(start)} bits, read with dataload[fast] installed,"
            if _flac_bits(start) not in (8, 12, 16, 20, 24, 32)
            else None
        )
    at = start.find(b"fmt ")
    if magic in (b"RIFF", b"RF64") and at > 0:
        kind = _IN_WAV.get(int.from_bytes(start[at + 8 : at + 10], "little"))
        return f"{kind} in WAV" if kind else None
    return None


def _flac_bits(start: bytes) -> int:
    return (int.from_bytes(start[18:26], "big") >> 36 & 31) + 1


def how_to_convert(name: str) -> str:
    """Return the advice that goes with a file of such a format."""
    return _CONVERT.format(repr(name) if not name.startswith("<") else "in")
