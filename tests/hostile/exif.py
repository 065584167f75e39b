"""EXIF blocks that lie, for the formats that carry them: each is a small TIFF."""

import struct
from collections.abc import Iterator

_ORIENTATION = 0x0112


def block(*entries: tuple[int, int, int, int], following: int = 0, count: int | None = None) -> bytes:
    """A little-endian TIFF of one directory: entries of (tag, type, count, value), and where the next one is."""
    said = len(entries) if count is None else count
    written = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0\x08\0\0\0" + struct.pack("<H", said) + written + struct.pack("<I", following)


def blocks() -> Iterator[tuple[str, bytes]]:
    """Blocks by what is wrong with them."""
    for value in (0, 9, 255, 65535):
        yield f"orientation {value}", block((_ORIENTATION, 3, 1, value))
    for kind in (0, 1, 2, 5, 7, 10, 12, 13, 255):
        yield f"orientation of type {kind}", block((_ORIENTATION, kind, 1, 6))
    yield "65535 orientations", block((_ORIENTATION, 3, 65535, 8))
    yield "orientations beyond the end", block((_ORIENTATION, 3, 4, 2**32 - 1))
    yield "4 billion orientations", block((_ORIENTATION, 3, 2**32 - 1, 8))
    yield "a directory that follows itself", block((_ORIENTATION, 3, 1, 6), following=8)
    yield "an EXIF directory that is itself", block((0x8769, 4, 1, 8))
    yield "a GPS directory that is itself", block((0x8825, 4, 1, 8), (_ORIENTATION, 3, 1, 6))
    yield "an interoperability loop", block((0x8769, 4, 1, 8), (0xA005, 4, 1, 8))
    yield "65535 entries said", block((_ORIENTATION, 3, 1, 6), count=65535)
    yield "no entry", block()
    yield "directory beyond the end", b"II*\0\xff\xff\xff\xff"
    yield "directory at 0", b"MM\0*\0\0\0\0"
    yield "no TIFF", b"not a TIFF at all"
    yield "nothing", b""
