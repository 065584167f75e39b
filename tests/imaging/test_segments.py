import pytest
from PIL import Image

from imaging import read
from imaging.errors import BlankPicture, BrokenPicture, TooManyPixels
from imaging.segments import is_held
from tests.damage import files
from tests.hostile import jpeg
from tests.support import drawing, encoded

LIMIT = 40_000_000
PLAIN, PROGRESSIVE = files()["JPEG"], files()["JPEG, progressive"]


def test_only_what_comes_in_several_scans_is_held() -> None:
    """A progressive picture is, and one whose components come one by one; a plain one with a preview is not."""
    assert is_held(PROGRESSIVE)
    assert is_held(jpeg.apart(64))
    assert not is_held(PLAIN)
    preview = jpeg.segment(0xE1, b"Exif\0\0" + PROGRESSIVE)
    assert not is_held(PLAIN[:2] + preview + PLAIN[2:])


def test_a_hundred_scans_are_read_and_more_refused() -> None:
    """The number of scans is bounded, in whatever number of bytes: each goes through all pixels."""
    with pytest.raises(BlankPicture):
        read(jpeg.many_scans(64, 99), LIMIT)
    with pytest.raises(BrokenPicture, match="more pieces"):
        read(jpeg.many_scans(64, 100), LIMIT)


def test_an_end_within_a_segment_ends_nothing() -> None:
    """What stands in a remark is no marker: scans behind it count."""
    content = jpeg.many_scans(64, 200)
    at = content.index(b"\xff\xda")
    with pytest.raises(BrokenPicture, match="more pieces"):
        read(content[:at] + jpeg.segment(0xFE, b"\xff\xd9") + content[at:], LIMIT)


@pytest.mark.parametrize(
    "many",
    [jpeg.segment(0xE1, b"Exif\0\0x"), jpeg.segment(0xFE), b"\xff", b"\xff\x00"],
    ids=repr,
)
def test_what_stands_before_the_data_is_bounded(many: bytes) -> None:
    """Segments, fill and junk that Pillow would go through one by one are taken in hundreds, not in thousands."""
    read(PLAIN[:2] + many * 300 + PLAIN[2:], LIMIT)
    with pytest.raises(BrokenPicture, match="more pieces"):
        read(PLAIN[:2] + many * 1100 + PLAIN[2:], LIMIT)
    with pytest.raises(BrokenPicture):
        read(b"\xff\xd8\xff" + many * 1100, LIMIT)


def test_large_components_that_come_one_by_one_are_refused_as_progressive_ones_are() -> None:
    """All their coefficients would be held at once."""
    with pytest.raises(TooManyPixels, match="MB to decode"):
        read(jpeg.apart(6200), LIMIT)


def test_what_cameras_write_is_read() -> None:
    """A large preview, profiles in many segments and another picture behind the first change nothing."""
    page = encoded(drawing(size=300, width=20).convert("RGB"), "JPEG")
    profile = jpeg.segment(0xE2, b"ICC_PROFILE\0\1\1" + bytes(60_000))
    preview = jpeg.segment(0xE1, b"Exif\0\0" + encoded(Image.new("L", (160, 120)), "JPEG"))
    more = page[:2] + preview + profile * 100 + page[2:] + PROGRESSIVE * 200
    assert (read(more, LIMIT).picture == read(page, LIMIT).picture).all()
