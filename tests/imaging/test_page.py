from io import BytesIO
from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from benchmarks.strips import Digits, make
from imaging.cuts import find_cuts
from imaging.errors import BlankPicture, TooManyShapes
from imaging.page import Page, read_page
from registry.rules import Floats
from tests.mnist import digits, labels
from tests.support import encoded

LIMIT = 40_000_000
DIGITS = Digits(digits(), labels())


def blots(count: int) -> Image.Image:
    """A page [600, 600] with so many round blots."""
    page = np.full((600, 600), 255, np.uint8)
    for number in range(count):
        cv2.circle(page, (40 + number % 10 * 55, 40 + number // 10 * 70), 14, 0, -1)
    return Image.fromarray(page)


def page_of(picture: Floats) -> Page:
    return read_page(encoded(Image.fromarray((picture * 255).astype(np.uint8))), LIMIT)


def test_each_digit_apart_is_a_piece_and_lies_where_it_is() -> None:
    """Of clean strips nearly each digit's box is that of a piece, to within a few pixels of the upload."""
    near = []
    for strip in make(DIGITS, "clean", 6, seed=0):
        page = read_page(strip.content, LIMIT)
        assert len(page.rows) == 1
        places = [row.place(piece.box) for row in page.rows for piece in row.pieces]
        for box in strip.boxes:
            near.append(min(abs(place.left - box.left) + abs(place.right - box.right) for place in places))
    assert np.mean(np.asarray(near) <= 8) > 0.9


def test_lines_come_from_top_to_bottom() -> None:
    """Two numbers below each other are two rows, the upper one first."""
    found = [read_page(strip.content, LIMIT).rows for strip in make(DIGITS, "two_lines", 6, seed=1)]
    assert sum(len(rows) == 2 for rows in found) >= 5
    assert all(first.top <= second.top for rows in found for first, second in pairwise(rows))


def test_a_broken_digit_stays_in_its_line() -> None:
    """Two strokes of half a digit's height each, away from the other digits, are atoms of the line."""
    page = np.full((200, 500), 255, np.uint8)
    for left in (250, 400):
        cv2.ellipse(page, (left, 100), (25, 45), 0, 0, 360, 0, 8)
    cv2.ellipse(page, (130, 75), (20, 15), 0, 180, 360, 0, 8)
    cv2.ellipse(page, (130, 125), (20, 15), 0, 0, 180, 0, 8)
    found = read_page(encoded(Image.fromarray(page)), LIMIT)
    assert [len(row.atoms) for row in found.rows] == [4]
    assert not found.skipped


def test_remains_of_printed_lines_at_the_edge_are_no_digits() -> None:
    """A thin hook that comes in over the edge is skipped as a line; a digit that the edge cuts is not."""
    page = np.full((200, 400), 255, np.uint8)
    for left in (150, 250, 395):
        cv2.ellipse(page, (left, 100), (25, 45), 0, 0, 360, 0, 10)
    cv2.polylines(page, [np.asarray([(40, 0), (40, 90), (70, 90)], np.int32)], False, 0, 2)
    found = read_page(encoded(Image.fromarray(page)), LIMIT)
    assert [each.reason for each in found.skipped] == ["a line"]
    assert [len(row.atoms) for row in found.rows] == [3]


def test_a_frame_is_left_out() -> None:
    """What is drawn around the digits is skipped by name."""
    page = np.full((200, 400), 255, np.uint8)
    cv2.rectangle(page, (20, 20), (380, 180), 0, 3)
    for left in (80, 200, 300):
        cv2.ellipse(page, (left, 100), (25, 45), 0, 0, 360, 0, 8)
    assert [each.reason for each in read_page(encoded(Image.fromarray(page)), LIMIT).skipped] == ["a frame"]


def test_touching_strokes_are_cut_between_them() -> None:
    """Of two rings that touch, one of the cuts passes where they do."""
    mask = np.zeros((64, 110), np.uint8)
    for left in (30, 80):
        cv2.ellipse(mask, (left, 32), (24, 28), 0, 0, 360, 1, 6)
    cuts = find_cuts(mask, 64, 6)
    assert min(abs(int(np.median(cut.columns)) - 55) for cut in cuts) <= 4
    assert all(len(cut.columns) == 64 for cut in cuts)


@pytest.mark.parametrize(("count", "refused"), [(64, False), (65, True)])
def test_64_shapes_are_read_and_65_refused(count: int, refused: bool) -> None:
    """The bound is on shapes that stand out, whatever they are."""
    if refused:
        with pytest.raises(TooManyShapes, match="More than 64 shapes"):
            read_page(encoded(blots(count)), LIMIT)
    else:
        assert sum(len(row.atoms) for row in read_page(encoded(blots(count)), LIMIT).rows) >= count


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 200), st.integers(1, 200), st.integers(0, 2**32 - 1), st.sampled_from([0.001, 0.02, 0.2, 0.9]))
def test_any_pixels_give_pieces_within_the_upload_or_an_own_error(
    height: int, width: int, seed: int, cover: float
) -> None:
    """Specks, blots and noise of any shape give finite pieces within the upload, or an error of the table."""
    random = np.random.default_rng(seed)
    small = random.random((height // 5 + 1, width // 5 + 1), dtype=np.float32)
    blotted = np.kron(np.where(small < cover, small, 1), np.ones((5, 5), np.float32))[:height, :width]
    try:
        page = page_of(blotted.astype(np.float32))
    except (BlankPicture, TooManyShapes):
        return
    for row in page.rows:
        for piece in row.pieces:
            assert piece.picture.shape == (1, 28, 28)
            assert piece.picture.dtype == np.float32
            assert np.isfinite(piece.picture).all()
            place = row.place(piece.box)
            assert 0 <= place.left < place.right <= width + 1
            assert 0 <= place.top < place.bottom <= height + 1


def test_a_picture_is_upright_before_it_is_read() -> None:
    """A strip on its side with EXIF's turn is one row of digits, as it is upright."""
    strip = make(DIGITS, "clean", 1, seed=3)[0]
    exif = Image.Exif()
    exif[0x0112] = 6
    with Image.open(BytesIO(strip.content)) as image:
        turned = encoded(image.transpose(Image.Transpose.ROTATE_90), exif=exif)
    page = read_page(turned, LIMIT)
    assert page.turn == 90
    assert len(page.rows) == 1
