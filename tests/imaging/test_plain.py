import importlib
import zlib
from random import Random

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from imaging.decode import Decoded, decode
from imaging.errors import BrokenPicture, NotAPicture, TooManyPixels
from imaging.plain import is_small, read_plain
from tests.support import encoded

LIMIT = 40_000_000
DIGIT = Image.fromarray(np.random.default_rng(0).integers(0, 256, (28, 28), dtype=np.uint8))
PNG = encoded(DIGIT)


def otherwise(content: bytes, monkeypatch: pytest.MonkeyPatch) -> Decoded:
    """What is read of a file where there is no short way."""
    with monkeypatch.context() as patched:
        patched.setattr(importlib.import_module("imaging.decode"), "read_plain", lambda *_: None)
        return decode(content, LIMIT)


def test_a_plain_file_has_the_pixels_that_pillow_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    """The short way gives the very pixels, size and steps of the long one."""
    short, long = decode(PNG, LIMIT), otherwise(PNG, monkeypatch)
    assert read_plain(PNG, LIMIT) is not None
    assert np.array_equal(short.gray, long.gray)
    assert (short.width, short.height, short.turn, short.steps, short.warnings) == (28, 28, 0, (), ())


@pytest.mark.parametrize(
    "content",
    [
        encoded(DIGIT.convert("RGB")),
        encoded(DIGIT.convert("1")),
        encoded(DIGIT.convert("LA")),
        encoded(DIGIT.convert("I;16")),
        encoded(DIGIT, transparency=0),
        encoded(DIGIT, exif=b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"),
        encoded(DIGIT, save_all=True, append_images=[DIGIT.rotate(90)]),
        encoded(DIGIT.resize((33, 33))),
        encoded(DIGIT, "JPEG"),
        PNG + b"more",
        PNG[:-1],
        b"",
    ],
)
def test_whatever_is_not_plain_goes_the_long_way(content: bytes) -> None:
    """Colours, transparency, a turn, frames, size, other formats, and what is cut off, are not for the short way."""
    assert read_plain(content, LIMIT) is None


def test_the_limit_on_pixels_holds_for_small_ones_too() -> None:
    """A plain file of more pixels than are allowed is refused as any other."""
    assert is_small(PNG)
    with pytest.raises(TooManyPixels):
        decode(PNG, 783)


def test_a_picture_of_no_width_is_left_to_pillow(capfd: pytest.CaptureFixture[str]) -> None:
    """A header of 0 x 0 pixels is broken, and libpng is not asked, which would print that."""
    header = b"IHDR" + bytes(8) + PNG[24:29]
    data = b"IDAT" + zlib.compress(b"")
    chunks = b"".join(len(one[4:]).to_bytes(4) + one + zlib.crc32(one).to_bytes(4) for one in (header, data))
    assert read_plain(PNG[:8] + chunks + PNG[-12:], LIMIT) is None
    assert not capfd.readouterr().err


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_a_damaged_file_is_no_picture_by_the_short_way_alone(seed: int, capfd: pytest.CaptureFixture[str]) -> None:
    """Bytes changed under a right checksum: what the short way reads, the long way reads alike."""
    random = Random(seed)
    start, end = 41, len(PNG) - 16
    data = bytearray(PNG[start:end])
    for _ in range(random.randint(1, 3)):
        data[random.randrange(len(data))] = random.randrange(256)
    if random.random() < 0.3:
        data = data[: random.randrange(len(data))]
    checked = b"IDAT" + data
    content = PNG[:33] + len(data).to_bytes(4) + checked + zlib.crc32(checked).to_bytes(4) + PNG[-12:]
    pixels = read_plain(content, LIMIT)
    assert not capfd.readouterr().err, "libpng speaks to the log past the logger"
    if pixels is None:
        return
    with pytest.MonkeyPatch.context() as patched:
        try:
            assert np.array_equal(otherwise(content, patched).gray, pixels.astype(np.float32) / np.float32(255))
        except (BrokenPicture, NotAPicture) as error:
            raise AssertionError("Pillow finds it damaged") from error
