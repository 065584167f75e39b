import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from imaging import look, read
from imaging.errors import BlankPicture, BrokenPicture, NotAPicture, TooManyPixels
from registry.rules import Floats
from tests.mnist import digits
from tests.support import drawing, encoded

LIMIT = 40_000_000


def seen(image: Image.Image, form: str = "PNG", **options: object) -> Floats:
    picture: Floats = read(encoded(image, form, **options), LIMIT).picture[0]
    return picture


def distance(one: Floats, other: Floats) -> float:
    """Mean difference of two pictures as a share of the ink in the first."""
    return float(np.abs(one - other).sum() / one.sum())


def digit(row: int = 0, side: int = 140) -> Image.Image:
    """A real digit as someone would scan it: dark on white, enlarged, with a margin."""
    image = Image.fromarray(255 - digits()[row]).resize((side, side), Image.Resampling.BICUBIC)
    page = Image.new("L", (side + 60, side + 90), 255)
    page.paste(image, (20, 50))
    return page


def test_a_picture_of_mnist_passes_through_unchanged() -> None:
    """What already is laid out as MNIST's pictures reaches the models bit for bit."""
    for pixels in digits():
        np.testing.assert_array_equal(seen(Image.fromarray(pixels)), pixels.astype(np.float32) / 255)


def test_the_protocol_of_mnist_is_followed() -> None:
    """The ink fits in 20x20, its longer side fills it, and its centre of mass is in the centre."""
    for seed in range(20):
        picture = seen(drawing(seed, size=300, width=20))
        rows, columns = np.flatnonzero(picture.any(axis=1)), np.flatnonzero(picture.any(axis=0))
        assert 19 <= max(np.ptp(rows), np.ptp(columns)) + 1 <= 20
        places = np.arange(28)
        centre = [float((picture.sum(axis=axis) * places).sum() / picture.sum()) for axis in (0, 1)]
        assert all(13.4 <= place <= 14.6 for place in centre)
        assert 0.9 <= picture.max() <= 1


def test_dark_on_light_and_light_on_dark_are_read_alike() -> None:
    """Inverting a picture changes nothing but rounding."""
    for row in range(10):
        page = digit(row)
        assert distance(seen(page), seen(Image.eval(page, lambda value: 255 - value))) < 0.02


@pytest.mark.parametrize("side", [40, 100, 400, 1500])
def test_size_does_not_matter(side: int) -> None:
    """A small and a huge picture of one digit look alike to the models."""
    for row in range(5):
        assert distance(seen(digit(row, 200)), seen(digit(row, side))) < 0.35


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF"])
def test_each_format_is_read(form: str) -> None:
    """A digit in any allowed format gives what its PNG gives, but for compression."""
    assert distance(seen(digit()), seen(digit(), form)) < 0.1


def transparent(ink: tuple[int, int, int]) -> Image.Image:
    page = digit()
    layer = Image.new("RGBA", page.size, (*ink, 0))
    layer.putalpha(Image.eval(page, lambda value: 255 - value))
    return layer


def sixteen_bit() -> Image.Image:
    return Image.fromarray(np.asarray(digit(), dtype=np.uint16) * 257)


MODES = {
    "1": lambda: digit().convert("1", dither=Image.Dither.NONE),
    "LA": lambda: digit().convert("LA"),
    "P": lambda: digit().convert("P"),
    "RGB": lambda: digit().convert("RGB"),
    "RGBA, dark ink on nothing": lambda: transparent((20, 20, 60)),
    "RGBA, white ink on nothing": lambda: transparent((255, 255, 255)),
    "I;16": sixteen_bit,
}


@pytest.mark.parametrize("mode", MODES)
def test_each_kind_of_pixel_is_read(mode: str) -> None:
    """Bits, palettes, alpha and 16 bits give what plain gray gives."""
    assert distance(seen(digit()), seen(MODES[mode]())) < 0.2


@pytest.mark.parametrize("side", [140, 500, 900])
def test_a_channel_of_full_opacity_changes_nothing(side: int) -> None:
    """An opaque picture is read as the one without its alpha channel, though it says that it was grounded."""
    page = digit(3, side).convert("RGB")
    plain, opaque = (read(encoded(page.convert(mode)), LIMIT) for mode in ("RGB", "RGBA"))
    np.testing.assert_array_equal(opaque.picture, plain.picture)
    assert (opaque.box, opaque.warnings) == (plain.box, plain.warnings)
    assert {*opaque.steps} == {*plain.steps, "grounded"}


@pytest.mark.parametrize("side", [140, 900])
def test_a_hole_at_the_very_end_is_laid_on_a_ground(side: int) -> None:
    """One transparent strip at the bottom of an opaque picture is not taken for black ink."""
    page = digit(3, side).convert("RGBA")
    whole = read(encoded(page), LIMIT).box
    page.paste((0, 0, 0, 0), (0, page.height - 8, page.width, page.height))
    found = read(encoded(page), LIMIT).box
    assert max(abs(found.top - whole.top), abs(found.height - whole.height)) <= 8


def test_cmyk_and_float_tiffs_are_read() -> None:
    """A CMYK JPEG and a float TIFF give what plain gray gives."""
    assert distance(seen(digit()), seen(digit().convert("CMYK"), "JPEG")) < 0.1
    assert distance(seen(digit()), seen(Image.fromarray(np.asarray(digit(), dtype=np.float32)), "TIFF")) < 0.05


def test_a_turned_photo_is_turned_back() -> None:
    """EXIF's orientation is followed."""
    page = digit()
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = page.transpose(Image.Transpose.ROTATE_90)
    assert distance(seen(page), seen(turned, "JPEG", exif=exif)) < 0.1
    assert distance(seen(page), seen(turned, "JPEG")) > 0.5


def test_a_shadow_across_the_page_is_not_ink() -> None:
    """Light that falls off to half across a page leaves the digit as it was."""
    page = np.asarray(digit(), dtype=np.float32)
    light = np.linspace(1, 0.5, page.shape[1]) * np.linspace(1, 0.8, page.shape[0])[:, np.newaxis]
    assert distance(seen(digit()), seen(Image.fromarray((page * light).astype(np.uint8)))) < 0.2


def test_a_thin_pen_is_not_faint() -> None:
    """A stroke of one pixel in a large picture still comes out as white ink."""
    assert seen(drawing(size=390, width=2)).max() > 0.9


def test_an_animation_is_read_by_its_first_frame_and_says_so() -> None:
    """Later frames do not count, and the sender is told."""
    frames = [digit(row).convert("L") for row in range(3)]
    animated = read(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]), LIMIT)
    assert distance(seen(digit(0)), animated.picture[0]) < 0.1
    assert animated.warnings == ("animated or of several pages: only the first was read",)


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (28, 28), (200, 200)])
@pytest.mark.parametrize("value", [0, 128, 255])
def test_a_blank_picture_is_refused(size: tuple[int, int], value: int) -> None:
    """One colour holds no digit, at any size."""
    with pytest.raises(BlankPicture):
        read(encoded(Image.new("L", size, value)), LIMIT)


def test_a_blank_page_with_grain_is_blank() -> None:
    """The noise of a camera on an empty page is not ink."""
    grain = np.random.default_rng(0).normal(200, 3, (300, 300)).clip(0, 255).astype(np.uint8)
    with pytest.raises(BlankPicture):
        read(encoded(Image.fromarray(grain)), LIMIT)


def test_what_is_no_picture_is_told_apart_from_a_damaged_one() -> None:
    """Text is no picture; a picture cut short is damaged; an unlisted format is not read."""
    with pytest.raises(NotAPicture):
        read(b"I am a text named seven.png", LIMIT)
    with pytest.raises(NotAPicture):
        read(encoded(digit(), "PPM"), LIMIT)
    for form in ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF"):
        content = encoded(digit().convert("RGB"), form)
        with pytest.raises((BrokenPicture, NotAPicture)):
            read(content[: len(content) // 2], LIMIT)


def header_only(width: int, height: int) -> bytes:
    """A PNG that announces a size and holds a few bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")


def test_too_many_pixels_are_refused_by_the_header() -> None:
    """50 megapixels, and a bomb of a few hundred bytes that unpacks to gigabytes, are refused undecoded."""
    with pytest.raises(TooManyPixels, match="50 megapixels, over 40"):
        read(encoded(Image.new("1", (10_000, 5_000))), LIMIT)
    with pytest.raises(TooManyPixels):
        read(header_only(60_000, 60_000), LIMIT)


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_any_pixels_give_a_picture_or_blank(height: int, width: int, seed: int, cover: float) -> None:
    """Noise of any shape and cover gives a finite picture in 0..1 or BlankPicture."""
    noise = np.random.default_rng(seed).random((height, width), dtype=np.float32)
    try:
        picture = look(np.where(noise < cover, noise, np.float32(1))).picture[0]
    except BlankPicture:
        return
    assert picture.shape == (28, 28)
    assert np.isfinite(picture).all()
    assert 0 <= picture.min() <= picture.max() <= 1


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 400), st.integers(1, 400), st.integers(0, 2**32 - 1), st.sampled_from([0.001, 0.02, 0.5, 0.999]))
def test_any_large_pixels_give_a_picture_within_the_upload_or_blank(
    height: int, width: int, seed: int, cover: float
) -> None:
    """Specks, blots and noise on a page of any shape give a finite 28x28 and a box within the page, or BlankPicture."""
    random = np.random.default_rng(seed)
    small = random.random((height // 7 + 1, width // 7 + 1), dtype=np.float32)
    blots = np.kron(np.where(small < cover, small, 1), np.ones((7, 7), np.float32))[:height, :width]
    page = np.clip(blots + random.normal(0, random.choice([0, 0.01, 0.1]), blots.shape), 0, 1).astype(np.float32)
    try:
        found = look(page)
    except BlankPicture:
        return
    assert found.picture.shape == (1, 28, 28)
    assert found.picture.dtype == np.float32
    assert np.isfinite(found.picture).all()
    assert 0 <= found.picture.min() <= found.picture.max() <= 1
    assert 0 <= found.box.left < found.box.right <= width
    assert 0 <= found.box.top < found.box.bottom <= height


def chain_of_pages(pages: int) -> bytes:
    """A small TIFF whose directory of its one page is repeated, each leading to the next."""
    content = bytearray(encoded(digit(0, 30), "TIFF"))
    (start,) = struct.unpack_from("<I", content, 4)
    (tags,) = struct.unpack_from("<H", content, start)
    directory = bytes(content[start : start + 2 + 12 * tags])
    for _ in range(pages):
        content += b"\0" * (len(content) % 2)
        struct.pack_into("<I", content, start + 2 + 12 * tags, len(content))
        start = len(content)
        content += directory + b"\0\0\0\0"
    return bytes(content)


@pytest.mark.timeout(20)
def test_a_chain_of_80_000_pages_is_not_walked() -> None:
    """Of a TIFF with pages without end the first is read, without looking for the last."""
    seen_first = read(chain_of_pages(80_000), LIMIT)
    assert distance(seen(digit(0, 30)), seen_first.picture[0]) < 0.01
    assert len(seen_first.warnings) == 1


def test_a_damaged_second_page_does_not_spoil_the_first() -> None:
    """Only the first page counts: a second one that cannot be read is a warning, not an error."""
    assert read(chain_of_pages(1)[:-60], LIMIT).warnings == ("animated or of several pages: only the first was read",)


def test_a_large_picture_is_read_as_its_small_one_is() -> None:
    """What is reduced strip by strip gives what the same page gives at a smaller size, for each kind of pixel."""
    for make in MODES.values():
        page = make()
        large = page.resize((page.width * 12, page.height * 12), Image.Resampling.NEAREST)
        assert distance(seen(page), seen(large)) < 0.2


_MEMORY = """
import sys
import imaging
from imaging.errors import PictureError
from imaging.page import read_page
def peak():
    return int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]) / 1024
imaging.warm_up()
content = open(sys.argv[1], "rb").read()
before = peak()
try:
    imaging.read(content, 40_000_000)
    read_page(content, 40_000_000)
    print("read", peak() - before)
except PictureError:
    print("refused", peak() - before)
"""

LARGE = [
    ("RGB", "PNG", (4000, 3000), "read"),
    ("RGB", "PNG", (4400, 3300), "refused"),
    ("RGBA", "PNG", (4000, 3000), "read"),
    ("I;16", "PNG", (4000, 3000), "read"),
    ("L", "PNG", (8000, 5000), "read"),
    ("RGB", "JPEG", (8000, 5000), "read"),
    ("CMYK", "JPEG", (8000, 5000), "read"),
    ("RGB", "WEBP", (2300, 1700), "read"),
    ("RGB", "WEBP", (4000, 3000), "refused"),
    ("RGB", "TIFF", (3200, 2500), "read"),
    ("P", "GIF", (6000, 4000), "read"),
]


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak from Linux's /proc")
@pytest.mark.parametrize(("mode", "form", "size", "outcome"), LARGE, ids=str)
def test_a_picture_takes_64_megabytes_at_most(
    mode: str, form: str, size: tuple[int, int], outcome: str, tmp_path: Path
) -> None:
    """The largest of each kind is read in bounded memory, as a digit and as a page; what would take more is refused."""
    image = Image.new(mode, size)
    ink = {"RGBA": (0, 0, 0, 255), "RGB": (255, 255, 255), "CMYK": (9, 200, 9, 9)}.get(mode, 255)
    image.paste(ink, (size[0] // 3, size[1] // 5, size[0] // 3 + size[0] // 12, size[1] * 4 // 5))
    if mode == "P":
        image.putpalette([value for value in range(256) for _ in range(3)])
    options = {"PNG": {"compress_level": 1}, "WEBP": {"method": 0}}.get(form, {})
    image.save(tmp_path / "large", form, **options)
    done = subprocess.run(
        [sys.executable, "-c", _MEMORY, str(tmp_path / "large")], capture_output=True, text=True, check=True
    )
    said, taken = done.stdout.split()
    assert said == outcome
    assert float(taken) <= 64


def test_a_large_progressive_jpeg_is_refused_where_its_coefficients_take_too_much() -> None:
    """Of 12 megapixels it is read with its colours at half size, as cameras write it, and refused at full."""
    image = Image.new("RGB", (4000, 3000), "white")
    image.paste((0, 0, 0), (1000, 500, 1300, 2500))
    assert read(encoded(image, "JPEG", progressive=True), LIMIT).steps[0] == "reduced"
    with pytest.raises(TooManyPixels, match="of this kind take 73 MB to decode"):
        read(encoded(image, "JPEG", progressive=True, subsampling=0), LIMIT)
