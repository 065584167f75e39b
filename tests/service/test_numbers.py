"""Numbers read by the committed release, in process; and the search alone."""

from collections.abc import Sequence
from functools import cache

import numpy as np
import pytest

from benchmarks.pictures import load, vote
from benchmarks.strips import Digits, Strip, make
from imaging.page import read_page
from service.models import Model
from service.numbers import Numbers, read_numbers
from service.settings import Settings
from tests.mnist import digits, labels
from tests.support import RELEASE

DIGITS = Digits(digits(), labels())


@cache
def release() -> tuple[Sequence[Model], Model]:
    """The committed models, and the gate."""
    return load(Settings(artifacts=RELEASE))


def numbers(strip: Strip) -> Numbers:
    """What the service makes of a strip."""
    page = read_page(strip.content, 40_000_000)
    pieces = [piece.picture for row in page.rows for piece in row.pieces]
    return read_numbers(page, vote(*release(), pieces, Settings()))


@pytest.mark.parametrize(("kind", "least"), [("clean", 7), ("jitter", 6), ("some_touching", 5)])
def test_most_strips_are_read_wholly(kind: str, least: int) -> None:
    """Of eight strips of a kind most are read right to the last digit, with a box near each digit."""
    strips = make(DIGITS, kind, 8, seed=11)
    found = [numbers(strip) for strip in strips]
    right = [read.text == strip.text for read, strip in zip(found, strips, strict=True)]
    assert sum(right) >= least, [(read.text, strip.text) for read, strip in zip(found, strips, strict=True)]


def test_two_lines_give_two_numbers() -> None:
    """Numbers below each other stand in lines of their own, on paper too, with most of their digits right."""
    strips = make(DIGITS, "two_lines", 8, seed=11)
    found = [numbers(strip) for strip in strips]
    assert sum(len(read.lines) == 2 for read in found) >= 7
    same = [
        read.text.split("\n")[-1:] == strip.text.split("\n")[-1:] for read, strip in zip(found, strips, strict=True)
    ]
    assert sum(same) >= 5


def test_signs_are_skipped_with_a_reason() -> None:
    """Of numbers with a comma, a point, a minus or a frame the digits are read and the rest is named."""
    strips = make(DIGITS, "signs", 8, seed=11)
    found = [numbers(strip) for strip in strips]
    assert sum(read.text == strip.text for read, strip in zip(found, strips, strict=True)) >= 5
    reasons = {skipped.reason for read in found for skipped in read.skipped}
    assert "a frame" in reasons
    assert reasons & {"a comma or a point", "a dash or a minus"}


def test_a_single_digit_is_a_number_too() -> None:
    """One digit of MNIST, 28x28, is a line of one digit."""
    from io import BytesIO

    from PIL import Image

    right = 0
    for row in range(10):
        file = BytesIO()
        Image.fromarray(DIGITS.pictures[row]).save(file, "PNG")
        right += numbers(Strip(file.getvalue(), "png", "", ())).text == str(DIGITS.labels[row])
    assert right >= 9


def test_boxes_go_from_left_to_right() -> None:
    """The digits of a line stand in the order of its text."""
    for strip in make(DIGITS, "clean", 4, seed=2):
        for line in numbers(strip).lines:
            lefts = [digit.box.left for digit in line.digits]
            assert lefts == sorted(lefts)
            assert line.text == "".join(str(digit.outcome.label) for digit in line.digits)
            assert all(0 < digit.whole <= 1 and np.isfinite(digit.whole) for digit in line.digits)
