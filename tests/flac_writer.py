"""FLAC files made frame by frame, with samples as they are: what encoders refuse to write can be written."""

import numpy as np

RATE_CODES = {8_000: 4, 16_000: 5, 22_050: 6, 24_000: 7, 32_000: 8, 44_100: 9, 48_000: 10}
BIT_CODES = {8: 1, 12: 2, 16: 4, 20: 5, 24: 6, 32: 7}


def crc(data, polynomial, bits):
    value, top = 0, 1 << bits - 1
    for byte in data:
        value ^= byte << bits - 8
        for _ in range(8):
            value = (value << 1) ^ (polynomial if value & top else 0)
            value &= (1 << bits) - 1
    return value


def coded(number):
    """Return a number as FLAC writes it, in the way of UTF-8."""
    if number < 0x80:
        return bytes([number])
    tail = []
    while number >= 1 << (6 - len(tail)):
        tail.insert(0, 0x80 | number & 0x3F)
        number >>= 6
    lead = (0xFF << (7 - len(tail))) & 0xFF
    return bytes([lead | number, *tail])


def frame(samples, number, rate=16_000, bits=16, rate_code=None, variable=False):
    """Return a frame of (frames, channels) integers; `number` counts frames, or samples where `variable`."""
    n, channels = samples.shape
    code = RATE_CODES[rate] if rate_code is None else rate_code
    head = bytes([0xFF, 0xF9 if variable else 0xF8, 7 << 4 | code, (channels - 1) << 4 | BIT_CODES.get(bits, 0) << 1])
    head += coded(number) + (n - 1).to_bytes(2, "big")
    head += bytes([crc(head, 0x07, 8)])
    wide = np.ascontiguousarray(samples.T.astype(np.int64) & (1 << bits) - 1, ">u8")
    packed = np.unpackbits(wide.view(np.uint8).reshape(channels, n, 8), axis=2)[:, :, 64 - bits :]
    subframes = [np.r_[np.array([0, 0, 0, 0, 0, 0, 1, 0], np.uint8), channel.ravel()] for channel in packed]
    body = head + np.packbits(np.concatenate(subframes)).tobytes()
    return body + crc(body, 0x8005, 16).to_bytes(2, "big")


def head(total, rate=16_000, channels=1, bits=16, block=4096, sizes=(0, 0)):
    """Return the marker and STREAMINFO; `sizes` are those of the smallest and the largest frame, 0 is not known."""
    info = block.to_bytes(2, "big") * 2 + sizes[0].to_bytes(3, "big") + sizes[1].to_bytes(3, "big")
    info += (rate << 44 | (channels - 1) << 41 | (bits - 1) << 36 | total).to_bytes(8, "big") + bytes(16)
    return b"fLaC" + bytes([0x80, 0, 0, len(info)]) + info


def frames(samples, block=4096, first=0, **options):
    """Return all frames of (frames, channels) integers."""
    starts = range(0, len(samples), block)
    return b"".join(frame(samples[s : s + block], first + k, **options) for k, s in enumerate(starts))


def flac(samples, rate=16_000, bits=16, block=4096, total=None, claimed_block=None):
    """Return a file of (frames, channels) integers."""
    total = len(samples) if total is None else total
    start = head(total, rate, samples.shape[1], bits, claimed_block or block)
    return start + frames(samples, block, rate=rate, bits=bits)
