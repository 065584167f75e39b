"""Whole files whose pixels are the trouble, and files that are no pictures at all."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.damage import files
from tests.support import drawing, encoded


def odd() -> Iterator[tuple[str, bytes]]:
    """Whole files whose pixels are the trouble."""
    for name, values in [("NaN", np.nan), ("infinity", np.inf), ("minus infinity", -np.inf), ("3e38", 3e38)]:
        page = np.asarray(drawing(), dtype=np.float32)
        page[::7] = values
        yield f"a float TIFF with {name}", encoded(Image.fromarray(page), "TIFF")
        yield f"a float TIFF of {name}", encoded(Image.fromarray(np.full((40, 40), values, np.float32)), "TIFF")
    for name, page_of in pages().items():
        yield f"a page of {name}", encoded(Image.fromarray(page_of))
    for width, height in [(1, 1), (1, 5000), (5000, 1), (2, 2), (3, 20_000), (20_000, 3)]:
        dots = np.random.default_rng(width).integers(0, 2, (height, width), dtype=np.uint8) * np.uint8(255)
        yield f"{width} x {height} of noise", encoded(Image.fromarray(dots))


def pages() -> dict[str, NDArray[np.uint8]]:
    """Pages that hold as many shapes, or as long ones, as there may be."""
    noise = np.random.default_rng(0).integers(0, 256, (900, 900))
    board = np.indices((900, 900)).sum(0) % 2 * 255
    dots = np.full((900, 900), 255)
    dots[::4, ::4] = 0
    lines = np.full((900, 900), 255)
    lines[:, ::6] = 0
    bars = np.full((120, 3000), 255)
    bars[20:100, ::9] = 0
    spiral = np.full((901, 901), 255)
    for ring in range(0, 440, 8):
        spiral[ring, ring : 901 - ring] = spiral[900 - ring, ring : 901 - ring] = 0
        spiral[ring : 901 - ring, 900 - ring] = spiral[ring + 8 : 901 - ring, ring] = 0
    made = {"noise": noise, "a chessboard": board, "dots": dots, "lines": lines, "3000 bars": bars, "a spiral": spiral}
    return {name: page.astype(np.uint8) for name, page in made.items()}


def strangers() -> Iterator[tuple[str, bytes]]:
    """What is no picture at all, whatever its sender named it."""
    yield "HTML", b"<!doctype html><script>alert(1)</script>" * 100
    yield "SVG", b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>'
    yield "SVG of a billion laughs", b'<!DOCTYPE s [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><svg>&b;</svg>'
    yield "PDF", b"%PDF-1.7\n1 0 obj<</Type/Catalog/OpenAction<</S/JavaScript>>>>endobj\n%%EOF"
    yield "PostScript", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 28 28\n(/etc/passwd)(r)file\n"
    yield "an ImageMagick script", b"push graphic-context\nimage over 0,0 0,0 'url(http://127.0.0.1/)'\n"
    yield "an X bitmap", b"#define x_width 28\n#define x_height 28\nstatic char x_bits[] = {0x00};"
    yield "a PPM", b"P6 28 28 255\n" + bytes(28 * 28 * 3)
    yield "a PPM of 10^18", b"P5 1000000000 1000000000 255\n"
    yield "an icon", b"\0\0\1\0\1\0\x10\x10\0\0\1\0\x18\0\x28\0\0\0\x16\0\0\0" + bytes(64)
    yield "a TGA", b"\0\0\2\0\0\0\0\0\0\0\0\0\xff\xff\xff\xff\x18\0"
    yield "a PSD", b"8BPS\0\1" + bytes(6) + b"\0\3\xff\xff\xff\xff\xff\xff\0\x08\0\3"
    yield "a JPEG 2000", b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(99)
    yield "an AVIF", b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf" + bytes(99)
    yield "gzip", b"\x1f\x8b\x08\0\0\0\0\0\0\3" + bytes(99)
    yield "an ELF", b"\x7fELF\2\1\1" + bytes(99)
    yield "a pickle", b"\x80\4\x95\x1b\0\0\0\0\0\0\0\x8c\5posix\x8c\6system\x93\x8c\4true\x85R."
    yield "JSON", b'{"file": "seven"}'
    yield "XML of 100000 levels", b"<a>" * 100_000
    yield "JSON of 100000 levels", b"[" * 100_000
    yield "a megabyte of zeros", bytes(2**20)
    yield "a megabyte of 0xff", b"\xff" * 2**20
    yield "a line break", b"\r\n"
    yield "UTF-16", "sieben".encode("utf-16")
    for form in ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF"):
        yield f"HTML behind a {form}", files()[form] + b"<script>alert(1)</script>"
        yield f"a {form} behind a byte", b" " + files()[form]
