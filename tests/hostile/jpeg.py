"""JPEG files as an attacker writes them."""

import struct
from collections.abc import Iterator

from tests.damage import files
from tests.hostile import exif

_SOI, _EOI = b"\xff\xd8", b"\xff\xd9"
# Tables of one code each: no difference of a block from the one before, and a run of 2^14 and more empty blocks.
_DC, _AC, _END_OF_BLOCK = (bytes([1] + [0] * 15) + symbol for symbol in (b"\x00", b"\xe0", b"\x00"))
_QUANTA = b"\x00" + b"\x01" * 64


def segment(marker: int, data: bytes = b"", *, length: int | None = None) -> bytes:
    """A marker with its data; the length is right unless another is given."""
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2 if length is None else length) + data


def frame(width: int, height: int, parts: int = 1, *, marker: int = 0xC2, depth: int = 8, factor: int = 0x11) -> bytes:
    """A frame's header of so many components."""
    listed = b"".join(bytes([number + 1, factor, 0]) for number in range(parts))
    return segment(marker, struct.pack(">BHHB", depth, height, width, parts) + listed)


def scan(data: bytes, first: int, last: int, parts: tuple[int, ...] = (1,)) -> bytes:
    """A scan of some coefficients of some components."""
    listed = b"".join(bytes([number, 0]) for number in parts)
    return segment(0xDA, bytes([len(parts)]) + listed + bytes([first, last, 0])) + data


def tables(ac: bytes) -> bytes:
    """The tables that scans need."""
    return segment(0xDB, _QUANTA) + segment(0xC4, b"\x00" + _DC) + segment(0xC4, b"\x10" + ac)


def many_scans(side: int, count: int) -> bytes:
    """A blank progressive picture whose coefficients are told over and over, in 40 bytes each time."""
    blocks = (-(-side // 8)) ** 2
    bits = "".join("0" + "1" * 14 for _ in range(-(-blocks // 32767)))
    bits += "1" * (-len(bits) % 8)
    run = int(bits, 2).to_bytes(len(bits) // 8).replace(b"\xff", b"\xff\x00")
    first = scan(bytes(-(-blocks // 8)), 0, 0)
    return _SOI + tables(_AC) + frame(side, side) + first + scan(run, 1, 63) * count + _EOI


def apart(side: int) -> bytes:
    """A blank baseline picture in colour, each component in a scan of its own, so that all must be held at once."""
    blocks = (-(-side // 8)) ** 2
    scans = b"".join(scan(bytes(-(-blocks // 4)), 0, 63, (number,)) for number in (1, 2, 3))
    return _SOI + tables(_END_OF_BLOCK) + frame(side, side, 3, marker=0xC0) + scans + _EOI


def markers(content: bytes) -> Iterator[tuple[int, int]]:
    """Each marker before the first scan's data, that scan among them, and where it begins."""
    at = 2
    while True:
        marker, length = struct.unpack_from(">xBH", content, at)
        yield marker, at
        at += 2 + length
        if marker == 0xDA:
            return


def cut() -> Iterator[tuple[str, bytes]]:
    """Cut before and in each marker's segment, in the data, and before its end."""
    for name in ("JPEG", "JPEG, progressive", "JPEG, CMYK"):
        content = files()[name]
        at = 0
        for number, (marker, at) in enumerate(markers(content)):
            yield f"{name}: before segment {number} {marker:02x}", content[:at]
            yield f"{name}: in segment {number} {marker:02x}", content[: at + 5]
        yield f"{name}: in its data", content[: (at + len(content)) // 2]
        yield f"{name}: no end", content[:-2]


def lies() -> Iterator[tuple[str, bytes]]:
    """Frames, tables and scans that do not fit together, and metadata that does not end."""
    content = files()["JPEG"]
    found = dict(markers(content))
    size, huffman, quanta, start = (found[marker] for marker in (0xC0, 0xC4, 0xDB, 0xDA))
    for width, height in [(0, 0), (0, 28), (28, 0), (1, 1), (57, 29), (6000, 6000), (65535, 65535), (65535, 1)]:
        said = struct.pack(">HH", height, width)
        yield f"says {width} x {height}", content[: size + 5] + said + content[size + 9 :]
    for place, name, values in [(4, "depth", (0, 7, 12, 16)), (9, "components", (0, 1, 2, 4, 255))]:
        for value in values:
            yield f"says {value} as {name}", content[: size + place] + bytes([value]) + content[size + place + 1 :]
    for factor in (0x00, 0x01, 0x44, 0xFF):
        yield f"sampling {factor:02x}", content[: size + 11] + bytes([factor]) + content[size + 12 :]
    for marker in (0xC1, 0xC3, 0xC5, 0xC7, 0xC9, 0xCA, 0xCB, 0xCF):
        yield f"frame of kind {marker:02x}", content[: size + 1] + bytes([marker]) + content[size + 2 :]
    yield "a Huffman table of 4080 codes", content[: huffman + 5] + b"\xff" * 16 + content[huffman + 21 :]
    yield "quanta of 0", content[: quanta + 5] + bytes(64) + content[quanta + 69 :]
    yield "no Huffman tables", _SOI + segment(0xDB, _QUANTA) + content[size : size + 19] + content[start:]
    yield "no quanta", _SOI + content[size:]
    yield "no frame", content[:size] + content[start:]
    yield "two frames", content[:size] + content[size : size + 19] * 2 + content[size + 19 :]
    yield "a scan before its frame", _SOI + content[start : start + 14] + content[2:]
    yield "a scan of a component that is none", content[: start + 5] + b"\x63" + content[start + 6 :]
    yield "a segment of length 0", _SOI + segment(0xE0, b"", length=0) + content[2:]
    yield "a segment of length 65535", _SOI + segment(0xE0, b"", length=65535) + content[2:]
    yield "nothing but start and end", _SOI + _EOI
    yield "100000 starts", _SOI * 100_000 + content
    yield "a megabyte of fill", _SOI + b"\xff" * 2**20 + content[2:]
    yield "30000 remarks", _SOI + segment(0xFE, b"hello") * 30_000 + content[2:]
    yield "a restart a block, and none", content[:start] + segment(0xDD, b"\0\1") + content[start:]
    yield "65535 pictures said", _SOI + segment(0xE2, b"MPF\0" + exif.block((0xB001, 4, 1, 65535))) + content[2:]
    for name, block in exif.blocks():
        yield f"EXIF: {name}", _SOI + segment(0xE1, b"Exif\0\0" + block) + content[2:]


def bombs() -> Iterator[tuple[str, bytes]]:
    """Few bytes that ask for much memory or time."""
    yield "30000 scans of 16 megapixels", many_scans(4000, 30_000)
    yield "60 scans of 16 megapixels", many_scans(4000, 60)
    yield "39 megapixels, a component at a time", apart(6200)
    yield "39 megapixels, 100000 empty scans of a component", apart(6200)[:-2] + scan(b"", 0, 63, (1,)) * 100_000 + _EOI
    pieces = segment(0xE1, b"Exif\0\0" + b"x" * 10) * 200_000
    yield "EXIF in 200000 pieces", _SOI + pieces + files()["JPEG"][2:]
    yield "progressive of 4 billion pixels", _SOI + tables(_AC) + frame(65535, 65535) + scan(b"", 0, 0) + _EOI
    yield "39 megapixels and no data", _SOI + tables(_END_OF_BLOCK) + frame(6200, 6200, marker=0xC0) + scan(b"", 0, 63)
