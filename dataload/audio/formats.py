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
_IN_OGG = {b"Speex   ": "Speex in Ogg", b"\x80theora": "Theora video in Ogg", b"\x7fFLAC": "FLAC in Ogg"}
_IN_WAV = {
    0x0031: "GSM 6.10",
    0x0050: "MPEG layer 1 or 2",
    0x0055: "MP3",
    0x00FF: "AAC",
    0x0160: "Windows Media",
    0x0161: "Windows Media",
    0x0162: "Windows Media",
    0x0163: "Windows Media lossless",
    0x0092: "AC-3",
    0x0180: "AAC",
    0x0270: "ATRAC3",
    0x1600: "AAC (ADTS)",
    0x1602: "AAC (LATM)",
    0x1610: "AAC",
    0x2000: "AC-3",
    0x2001: "DTS",
    0x566F: "Vorbis",
    0x706D: "AAC",
    0xF1AC: "FLAC",
    0x7A21: "AMR",
    0x0002: "Microsoft ADPCM",
    0x0011: "IMA ADPCM",
}
_MPEG_AUDIO = (0x50, 0x55)


def of_start(start: bytes) -> str | None:
    """Return the name of the format of a file that begins so and that cannot be read; None where none is known."""
    for pattern, name in _FORMATS:
        if pattern.match(start):
            return name
    if start[:4] == b"OggS":
        return next((name for mark, name in _IN_OGG.items() if mark in start[:64]), None)
    if start[:4] == b"NIST" and (b"shorten" in start or b"shortpack" in start):
        return "NIST SPHERE packed with Shorten"
    if start[:4] == b"caff":
        return (
            f"{start[28:32].decode('latin-1').strip()} in CAF" if start[28:32] in (b"aac ", b"alac", b"opus") else None
        )
    return None


def of_wav(tag: int) -> str:
    """Return the name of the kind of samples that a tag in a WAV header stands for."""
    return f"{_IN_WAV.get(tag, f'samples of kind 0x{tag:04x}')} in WAV"


def how_to_convert(name: str) -> str:
    """Return the advice that goes with a file of such a format."""
    return _CONVERT.format(repr(name) if not name.startswith("<") else "in")
