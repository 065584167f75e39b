"""GIF and BMP files as an attacker writes them."""

import struct
from collections.abc import Iterator

from tests.damage import files


def gif() -> Iterator[tuple[str, bytes]]:
    """Cut after each part, codes and blocks that lie, very many frames."""
    whole, several = files()["GIF"], files()["GIF, animated"]
    body = whole.index(b",", 13 + 3 * 2 ** ((whole[10] & 7) + 1))  # the first frame, after the palette
    for at in (3, 6, 10, 13, 20, body, body + 5, body + 10, body + 11, (body + len(whole)) // 2, len(whole) - 1):
        yield f"cut at {at}", whole[:at]
    for at in range(body + 20, len(several), max(1, len(several) // 8)):
        yield f"animated, cut at {at}", several[:at]
    for width, height in [(0, 0), (1, 1), (65535, 65535), (6300, 6300)]:
        yield f"screen says {width} x {height}", whole[:6] + struct.pack("<HH", width, height) + whole[10:]
        yield (
            f"frame says {width} x {height}",
            whole[: body + 5] + struct.pack("<HH", width, height) + whole[body + 9 :],
        )
    yield "frame outside", whole[: body + 1] + struct.pack("<HH", 65000, 65000) + whole[body + 5 :]
    yield "no palette", whole[:10] + bytes([whole[10] & 0x7F]) + whole[11:13] + whole[body:]
    for bits in (0, 1, 9, 12, 255):
        yield f"codes of {bits} bits", whole[: body + 10] + bytes([bits]) + whole[body + 11 :]
    yield "codes of noise", whole[: body + 11] + b"\xff" + bytes(range(255)) + b"\0;"
    yield "200000 blocks of a byte", whole[: body + 11] + b"\1\0" * 200_000 + b"\0;"
    yield "50000 remarks", whole[:body] + b"!\xfe\1a\0" * 50_000 + whole[body:]
    yield "2000 frames", whole[:-1] + whole[body:-1] * 2000
    yield "40000 delays", whole[:body] + b"!\xf9\4\0\0\0\0\0" * 40_000 + whole[body:]
    yield "a loop of noise", whole[:body] + b"!\xff\x0bNETSCAPE2.0\3\1\xff\xff\0" * 1000 + whole[body:]


def bmp() -> Iterator[tuple[str, bytes]]:
    """Cut after each part, sizes, depths, palettes and runs that lie."""
    whole, paletted = files()["BMP"], files()["BMP, palette"]
    for at in (1, 2, 10, 14, 18, 30, 53, 54, 60, len(whole) // 2, len(whole) - 1):
        yield f"cut at {at}", whole[:at]
    for at in (54, 100, 1000):
        yield f"palette, cut at {at}", paletted[:at]
    for width, height in [(0, 0), (-56, 28), (56, -28), (2**31 - 1, 2**31 - 1), (-(2**31), -(2**31)), (6300, 6300)]:
        yield f"says {width} x {height}", whole[:18] + struct.pack("<ii", width, height) + whole[26:]
    for depth in (0, 1, 3, 7, 16, 32, 64, 65535):
        yield f"says {depth} bits", whole[:28] + struct.pack("<H", depth) + whole[30:]
    for method in (1, 2, 3, 4, 5, 6, 255):
        yield f"says method {method}", whole[:30] + struct.pack("<I", method) + whole[34:]
    for count in (1, 257, 2**16, 2**31, 2**32 - 1):
        yield f"a palette of {count}", paletted[:46] + struct.pack("<I", count) + paletted[50:]
    for size in (0, 12, 13, 41, 124, 2**32 - 1):
        yield f"a header of {size} bytes", whole[:14] + struct.pack("<I", size) + whole[18:]
    for offset in (0, 14, 2**31, 2**32 - 1):
        yield f"pixels at {offset}", whole[:10] + struct.pack("<I", offset) + whole[14:]
    head = paletted[:18] + struct.pack("<ii", 6000, 6000) + paletted[26:28] + struct.pack("<HI", 8, 1) + paletted[34:]
    yield "runs that leap about", head + b"\0\2\xff\xff" * 5000 + b"\0\1"
    yield "runs of ends of lines", head + b"\0\0" * 200_000
