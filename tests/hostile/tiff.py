"""TIFF files as an attacker writes them."""

import struct
from collections.abc import Iterator

from PIL import Image

from tests.damage import files
from tests.hostile import exif
from tests.support import encoded

_BASE = {256: (3, 1, 28), 257: (3, 1, 28), 258: (3, 1, 8), 259: (3, 1, 1), 262: (3, 1, 1), 277: (3, 1, 1)}
Tag = tuple[int, int, int]


def tiff(pixels: bytes = b"\0" * 392 + b"\xff" * 392, following: int = 0, **tags: Tag) -> bytes:
    """A gray TIFF of 28 x 28; tags of (type, count, value), named by `t` and a number, replace or add to its own."""
    wanted = _BASE | {278: (3, 1, 28), 279: (4, 1, len(pixels))} | {int(name[1:]): tag for name, tag in tags.items()}
    start = 8 + 2 + 12 * (len(wanted | {273: ()})) + 4
    entries = sorted(({273: (4, 1, start)} | wanted).items())
    written = b"".join(struct.pack("<HHII", number, *tag) for number, tag in entries)
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + written + struct.pack("<I", following) + pixels


def tiffs() -> Iterator[tuple[str, bytes]]:
    """Cut after each part, directories that loop, strips and tiles that lie, data that swells."""
    for name in ("TIFF", "TIFF, LZW", "TIFF, JPEG", "TIFF, pages"):
        content = files()[name]
        for part in (2, 4, 8, len(content) // 3, len(content) // 2, len(content) - 40, len(content) - 1):
            yield f"{name}: cut at {part}", content[:part]
    for name, offset in [("itself", 8), ("the middle of itself", 20), ("its pixels", 200), ("beyond", 2**32 - 1)]:
        yield f"a directory that is followed by {name}", tiff(following=offset)
    for side in (0, 1, 29, 65535, 2**31, 2**32 - 1):
        yield f"says {side} a side", tiff(t256=(4, 1, side), t257=(4, 1, side))
    for depth in (0, 1, 7, 16, 32, 64, 65535):
        yield f"says {depth} bits", tiff(t258=(3, 1, depth))
    for method in (0, 2, 3, 4, 5, 6, 7, 8, 32773, 34712, 34887, 34925, 50000, 50001, 65535):
        yield f"says method {method}", tiff(t259=(3, 1, method))
    for meaning in (0, 2, 3, 4, 5, 6, 8, 65535):
        yield f"says meaning {meaning}", tiff(t262=(3, 1, meaning))
    for count in (0, 2, 4, 5, 255, 65535):
        yield f"says {count} samples", tiff(t277=(3, 1, count))
    for height in (0, 1, 2**31, 2**32 - 1):
        yield f"strips of {height} rows", tiff(t278=(4, 1, height))
    for count in (0, 1000, 2**28, 2**32 - 1):
        yield f"{count} strips", tiff(t273=(4, count, 8), t279=(4, count, 8))
    for length in (0, 1, 2**31, 2**32 - 1):
        yield f"a strip of {length} bytes", tiff(t279=(4, 1, length))
    for side in (0, 16, 17, 2**31, 2**32 - 1):
        yield f"tiles of {side}", tiff(t322=(4, 1, side), t323=(4, 1, side), t324=(4, 1, 8), t325=(4, 1, 784))
    for kind in (0, 2, 5, 12, 13, 16, 255):
        yield f"a width of type {kind}", tiff(t256=(kind, 1, 28))
    for value in (0, 9, 65535):
        yield f"orientation {value}", tiff(t274=(3, 1, value))
    for value in (0, 2, 3, 65535):
        yield f"predictor {value}", tiff(t259=(3, 1, 8), t317=(3, 1, value))
        yield f"planes {value}", tiff(t284=(3, 1, value))
        yield f"numbers of kind {value}", tiff(t339=(3, 1, value))
    yield "65535 entries said", b"II*\0\x08\0\0\0\xff\xff" + tiff()[10:]
    yield "a BigTIFF of nothing", b"II+\0\x08\0\0\0" + struct.pack("<QQ", 16, 2**63)
    for name, block in exif.blocks():
        yield f"as a file: {name}", block
    for name, compression in [("deflate", "tiff_adobe_deflate"), ("LZW", "tiff_lzw"), ("packed bits", "packbits")]:
        yield f"39 megapixels of {name}", encoded(Image.new("L", (6200, 6200)), "TIFF", compression=compression)
    yield "39 megapixels of fax", encoded(Image.new("1", (6200, 6200)), "TIFF", compression="group4")
    yield (
        "300 pages",
        encoded(Image.new("1", (8, 8)), "TIFF", save_all=True, append_images=[Image.new("1", (8, 8))] * 300),
    )
