"""Whatever file is put together of a format's own parts, imaging gives a picture or an error of the table."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from PIL import Image

from imaging import look, read
from imaging.errors import BlankPicture, PictureError
from imaging.page import read_page
from registry.rules import Floats
from service.archive import unpack
from service.errors import all_errors
from tests.hostile import archives, exif, jpeg, png
from tests.support import encoded

_PIXELS = 10**6
ERRORS: tuple[type[Exception], ...] = (PictureError, *(error for error in all_errors() if error.status < 500))
_SIGNATURES = [
    b"",
    png.png()[:8],
    b"\xff\xd8\xff",
    b"GIF89a",
    b"BM",
    b"RIFF\x40\0\0\0WEBP",
    b"II*\0",
    b"MM\0*",
    b"PK\3\4",
]
_bits = st.sampled_from([0, 1, 2, 3, 8, 16, 28, 29, 255, 1000, 2**16, 2**31 - 1, 2**32 - 1])


def holds(content: bytes) -> None:
    """Read a file both ways: an error that we know, or pictures of finite pixels in 0..1."""
    try:
        found = [read(content, _PIXELS).picture]
        found += [piece.picture for row in read_page(content, _PIXELS).rows for piece in row.pieces]
    except ERRORS:
        return
    for picture in found:
        assert picture.shape == (1, 28, 28)
        assert 0 <= picture.min() <= picture.max() <= 1


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(_SIGNATURES), st.binary(max_size=300))
def test_any_bytes(signature: bytes, content: bytes) -> None:
    """Noise, also behind a format's signature."""
    holds(signature + content)


_kinds = st.sampled_from(
    [b"PLTE", b"tRNS", b"gAMA", b"cHRM", b"iCCP", b"zTXt", b"tEXt", b"eXIf", b"acTL", b"fcTL", b"fdAT"]
)
_blocks = st.sampled_from([block for _, block in exif.blocks()])
_ihdr = st.builds(png.header, _bits, _bits, st.sampled_from([1, 2, 4, 8, 16]), st.sampled_from([0, 2, 3, 4, 6]))
_good = st.builds(
    png.header, st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 8, 16]), st.sampled_from([0, 2, 3, 6])
)
_idat = st.builds(png.data, st.integers(0, 40), st.binary(min_size=1, max_size=200)) | st.binary(max_size=60).map(
    lambda noise: png.chunk(b"IDAT", noise)
)
_others = st.builds(png.chunk, _kinds, st.binary(max_size=60) | _blocks)


@settings(max_examples=300, deadline=None)
@given(_good | _ihdr, st.lists(_idat | _others | _good, max_size=6))
def test_any_chunks(first: bytes, others: Sequence[bytes]) -> None:
    """PNG chunks with right checksums, which no random damage gets past, in any number and order."""
    holds(png.png(first, *others))


_frames = st.builds(
    jpeg.frame,
    _bits.map(lambda side: side % 2**16),
    _bits.map(lambda side: side % 2**16),
    st.integers(1, 4),
    marker=st.sampled_from([0xC0, 0xC1, 0xC2, 0xC9]),
    factor=st.sampled_from([0x11, 0x21, 0x22, 0x41]),
)
_scans = st.builds(
    jpeg.scan,
    st.binary(max_size=200).map(lambda data: data.replace(b"\xff", b"\xff\0")),
    st.integers(0, 64),
    st.integers(0, 64),
    st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple),
)
_segments = st.builds(
    jpeg.segment, st.sampled_from([0xC4, 0xDB, 0xDD, 0xE0, 0xE1, 0xE2, 0xEE, 0xFE]), st.binary(max_size=80)
)
_exif = _blocks.map(lambda block: jpeg.segment(0xE1, b"Exif\0\0" + block))


@settings(max_examples=300, deadline=None)
@given(st.lists(_segments | _exif | _frames | _scans, max_size=6), st.booleans())
def test_any_segments(parts: Sequence[bytes], with_tables: bool) -> None:
    """JPEG segments of right lengths in any number and order."""
    tables = jpeg.tables(b"\1" + bytes(15) + b"\0") if with_tables else b""
    holds(b"\xff\xd8" + tables + b"".join(parts) + b"\xff\xd9")


@settings(max_examples=150, deadline=None)
@given(
    arrays.arrays(
        np.float32, arrays.array_shapes(min_dims=2, max_dims=2, max_side=60), elements=st.floats(0, 1, width=32)
    )
)
def test_any_brightness(gray: Floats) -> None:
    """Any pixels are a digit's picture or a blank one."""
    try:
        picture = look(gray).picture
    except BlankPicture:
        return
    assert picture.shape == (1, 28, 28)
    assert 0 <= picture.min() <= picture.max() <= 1


_any: st.SearchStrategy[NDArray[Any]] = arrays.arrays(
    st.sampled_from([np.dtype(kind) for kind in ("u1", "u2", "f4", "i4", "?")]),
    arrays.array_shapes(min_dims=2, max_dims=2, max_side=40),
)


@settings(max_examples=150, deadline=None)
@given(_any)
def test_any_pixels(pixels: NDArray[Any]) -> None:
    """Any bits, integers and floats in a file, NaN and infinities too."""
    holds(encoded(Image.fromarray(pixels), "TIFF"))


_archive = archives.packed({"1.png": archives.PICTURE, "a/2.png": b"", "3": b"x" * 3000})


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(_archive) - 1), st.integers(0, 255)), max_size=6), st.integers(0, 60))
def test_any_archive(changes: Sequence[tuple[int, int]], cut: int) -> None:
    """An archive with bytes changed: members as they say, or an error of the table."""
    content = bytearray(_archive)
    for at, value in changes:
        content[at] = value
    with suppress(*ERRORS):
        for member in unpack(bytes(content[: len(content) - cut]), 2**20, 2**22):
            assert len(asyncio.run(member.content())) <= 2**20
