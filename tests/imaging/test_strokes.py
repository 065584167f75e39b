import cv2
import numpy as np
import pytest

from imaging.shapes import stroke_width
from imaging.strokes import is_hair
from tests.mnist import digits


@pytest.mark.parametrize("thickness", [1, 2, 3, 4, 6])
def test_a_hair_is_what_is_measured_as_one(thickness: int) -> None:
    """Strokes are hairs where their measured width is under 2.5 pixels, on pages and at their edges."""
    random = np.random.default_rng(thickness)
    for _ in range(20):
        mask = np.zeros((120, 150), np.uint8)
        ends = random.integers(-20, 170, (6, 2)).tolist()
        for start, end in zip([[75, 60], *ends], ends, strict=False):
            cv2.line(mask, start, end, 1, thickness)
        assert is_hair(mask) is (stroke_width(mask) < 2.5)


@pytest.mark.parametrize("side", [28, 120, 400])
def test_a_digit_s_strokes_are_hairs_where_they_are_measured_so(side: int) -> None:
    """The same holds of digits of any size and of specks."""
    for picture in digits()[:20]:
        mask = (cv2.resize(picture, (side, side), interpolation=cv2.INTER_NEAREST) > 128).astype(np.uint8)
        assert is_hair(mask) is (stroke_width(mask) < 2.5)
    speck = np.zeros((side, side), np.uint8)
    speck[3, 5] = 1
    assert is_hair(speck)
