"""Each kind of trouble that uploads have, on a digit that is known when it is clean."""

from io import BytesIO

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from benchmarks.trouble import KINDS, soft, strokes, texture
from imaging import Seen, look, read
from imaging.errors import BlankPicture
from imaging.shapes import Box, find_shapes, printed_lines, stroke_width
from registry.rules import Floats
from tests.mnist import digits
from tests.support import encoded

LIMIT = 40_000_000


def likeness(one: Floats, other: Floats) -> float:
    """The correlation of two pictures [28, 28], slightly blurred, as a pixel's shift does not matter."""
    first, second = (cv2.GaussianBlur(picture, (0, 0), 1).ravel() for picture in (one, other))
    return float(np.corrcoef(first, second)[0, 1])


def troubled(kind: str, row: int) -> Seen:
    random = np.random.default_rng([row, *kind.encode()])
    return read(KINDS[kind](digits()[row].astype(np.float32) / 255, random)[0], LIMIT)


@pytest.mark.parametrize("kind", KINDS)
def test_trouble_does_not_hide_the_digit(kind: str) -> None:
    """In every kind of trouble the 28x28 of most digits is like the clean one's, though the pen may be another."""
    alike = [likeness(troubled("clean", row).picture[0], troubled(kind, row).picture[0]) for row in range(8)]
    assert np.median(alike) > 0.75, alike
    assert np.mean(np.asarray(alike) > 0.5) > 0.7, alike


def test_the_polarity_is_told_by_the_picture() -> None:
    """Light ink on dark and dark on light are told apart even where the ink covers half of a picture."""
    for row in range(8):
        assert troubled("clean", row).polarity == "dark on light"
        assert troubled("inverted", row).polarity == "light on dark"
        assert troubled("white_on_nothing", row).polarity == "light on dark"
    bold = Image.fromarray(255 - digits()[0]).crop((6, 6, 22, 22)).resize((200, 200), Image.Resampling.BICUBIC)
    assert read(encoded(bold), LIMIT).polarity == "dark on light"


def test_the_box_is_in_the_pixels_of_the_upright_upload() -> None:
    """It is where a browser shows the digit, whatever the size, and whichever way EXIF turns the picture."""
    page = Image.new("L", (1600, 1200), 255)
    page.paste(0, (400, 300, 500, 800))
    exif = Image.Exif()
    exif[0x0112] = 6
    for content, turn in (
        (encoded(page), 0),
        (encoded(page.rotate(90, expand=True), "JPEG", exif=exif), 90),
    ):
        seen = read(content, LIMIT)
        assert seen.turn == turn
        np.testing.assert_allclose(
            [seen.box.left, seen.box.top, seen.box.width, seen.box.height], [400, 300, 100, 500], atol=5
        )


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_of_exif_is_followed(orientation: int) -> None:
    """Turned and mirrored pictures are set upright as Pillow sets them."""
    page = Image.open(BytesIO(KINDS["clean"](digits()[3].astype(np.float32) / 255, np.random.default_rng(0))[0]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = encoded(page, "PNG", exif=exif)
    with Image.open(BytesIO(stored)) as image:
        upright = ImageOps.exif_transpose(image)
        assert upright is not None
        upright.info.clear()
        plain = encoded(upright.convert("L"))
    np.testing.assert_array_equal(read(stored, LIMIT).picture, read(plain, LIMIT).picture)


def test_warnings_say_what_to_do() -> None:
    """Faint ink, several shapes and a digit at the edge are each told in words."""
    assert "very faint: brightened" in troubled("faint", 0).warnings
    one = strokes(digits()[0].astype(np.float32) / 255, 200, 0.06)
    two = np.concatenate([one, one], axis=1)
    assert "several shapes: the largest was read" in look(1 - two).warnings
    assert not look(np.pad(1 - one, 20, constant_values=1)).warnings
    cut = look(1 - one[:, 80:])
    assert "may be cut off at the left edge: leave a margin" in cut.warnings


@pytest.mark.parametrize(("left", "alone"), [(150, False), (400, True), (205, True)])
def test_a_digit_beside_others_is_not_alone(left: int, alone: bool) -> None:
    """A whole digit near another is told, in words too; not what is far aside, nor what the edge cuts off."""
    one = soft(digits()[0].astype(np.float32) / 255, 140)
    page = np.zeros((200, 560 if left == 400 else 300), np.float32)
    page[30:170, 20:160] = one
    page[30:170, left : left + 140] = np.maximum(page[30:170, left : left + 140], one[:, : page.shape[1] - left])
    seen = look(1 - page)
    assert seen.alone is alone
    assert ("more than one digit: send numbers to POST /read" in seen.warnings) is not alone


def test_the_steps_are_named_in_order() -> None:
    """What was done stands in the order in which it was done."""
    assert troubled("turned", 0).steps == ("turned", "flattened", "fitted", "centred")
    assert read(encoded(Image.fromarray(digits()[0])), LIMIT).steps == ("unchanged",)
    assert {"grounded"} < set(troubled("white_on_nothing", 0).steps)
    assert "thickened" in troubled("thin", 0).steps
    assert "unruled" in {step for row in range(8) for step in troubled("squared", row).steps} | {
        step for row in range(8) for step in troubled("framed", row).steps
    }
    bold = look(1 - strokes(digits()[0].astype(np.float32) / 255, 300, 0.24)[20:280, 20:280])
    assert "thinned" in bold.steps


def test_a_page_with_corners_cut_away_is_no_light_ink() -> None:
    """Dark ink on an opaque page whose corners are transparent stays dark ink."""
    page = np.full((200, 200, 4), 255, np.uint8)
    page[60:140, 90:110, :3] = 0
    page[:40, :40, 3] = page[-40:, -40:, 3] = 0
    assert read(encoded(Image.fromarray(page)), LIMIT).polarity == "dark on light"


def test_printed_lines_are_taken_out_and_strokes_are_kept() -> None:
    """A ruled line goes but for where the digit crosses it; a digit's own bar from edge to edge stays."""
    mask = np.zeros((200, 200), np.uint8)
    mask[40:160, 90:110] = 1
    crossed = mask.copy()
    crossed[100:103] = 1
    lines = printed_lines(crossed)
    np.testing.assert_array_equal(crossed & (1 - lines), mask)
    bar = np.zeros((200, 200), np.uint8)
    bar[:30] = 1  # a tight 7
    bar[:, 150:180] = 1
    assert not printed_lines(bar).any()


def test_shapes_come_with_their_boxes_largest_first() -> None:
    """Connected ink is found as shapes with box, area and mass; specks are not."""
    mask = np.zeros((100, 100), np.uint8)
    mask[10:30, 10:20] = 1
    mask[50:90, 50:60] = 1
    mask[5, 90] = 1
    shapes = find_shapes(mask, mask.astype(np.float32) / np.float32(2))
    assert [shape.box for shape in shapes.found] == [Box(50, 50, 10, 40), Box(10, 10, 10, 20)]
    assert [(shape.area, shape.mass) for shape in shapes.found] == [(400, 200.0), (200, 100.0)]
    np.testing.assert_array_equal(shapes.mask(shapes.found[:1])[50:90, 50:60], 1)


@pytest.mark.parametrize("width", [3, 8, 20])
def test_the_width_of_a_stroke_is_measured(width: int) -> None:
    """A bar's width is found to within a pixel or a tenth."""
    bar = np.zeros((200, 200), np.uint8)
    bar[20:180, 100 : 100 + width] = 1
    assert stroke_width(bar) == pytest.approx(width, abs=max(1, 0.15 * width))


def test_ink_alone_is_not_parted() -> None:
    """On paper without grain all ink is ink, though no two pixels of it are alike."""
    page = np.ones((60, 60), np.float32)
    page[10:50, 25:33] = 0.35 + 0.02 * np.random.default_rng(0).random((40, 8), dtype=np.float32)
    assert look(page).box == Box(25, 10, 8, 40)


def test_texture_alone_is_blank() -> None:
    """The tooth of paper without ink, at any strength, is no digit."""
    for amount in (0.01, 0.03, 0.06):
        page = np.float32(0.7) + texture((400, 400), np.random.default_rng(1), amount)
        with pytest.raises(BlankPicture):
            look(np.clip(page, 0, 1))
