"""What is made of digits and is no digit: several, parts, heaps, crossed out ones, turned and mirrored ones."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from trainer.layout import SIDE, Bytes, laid_out

_INK = 64  # of 255: what is above counts when the ink's extent is sought


@dataclass(frozen=True)
class Digits:
    """Real digits: pictures [N, 28, 28], white ink on black, and their labels [N]."""

    pictures: Bytes
    labels: Bytes

    def choose(self, generator: Generator, labels: str = "0123456789") -> tuple[Bytes, str]:
        """One digit [28, 28] of one of the labels, all alike likely, and which it is."""
        label = labels[generator.integers(len(labels))]
        return self.pictures[generator.choice(self._where(int(label)))], label

    def _where(self, label: int) -> NDArray[np.int64]:
        return np.flatnonzero(self.labels == label)


Make = Callable[[int, Generator, Digits], Bytes]  # so many pictures [N, 28, 28]


def strips(count: int, generator: Generator, digits: Digits) -> Bytes:
    """Two to five digits side by side, near each other or touching."""
    return laid_out(_strip(generator, digits) for _ in range(count))


def parts(count: int, generator: Generator, digits: Digits) -> Bytes:
    """Digits cut off, where what is left is none: half a 1 is a 1, and an 8's is a 0 or a 3."""
    return laid_out(_part(generator, digits) for _ in range(count))


def heaps(count: int, generator: Generator, digits: Digits) -> Bytes:
    """Two digits half over each other, beside and not below: two rings one above the other are an 8."""
    return laid_out(_heap(generator, digits) for _ in range(count))


def crossed_out(count: int, generator: Generator, digits: Digits) -> Bytes:
    """Digits under a thick cross or a scribble; one line alone would make a crossed 7 or a slashed 0."""
    return laid_out(_crossed_out(generator, digits) for _ in range(count))


def turned(count: int, generator: Generator, digits: Digits) -> Bytes:
    """Digits mirrored, upside down or lying, where no digit comes out."""
    return laid_out(_turned(generator, digits) for _ in range(count))


def _box(picture: Bytes) -> Bytes:
    """A picture cropped to its ink."""
    rows, columns = (np.flatnonzero(picture.max(axis=axis) > _INK) for axis in (1, 0))
    return picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _strip(generator: Generator, digits: Digits) -> Bytes:
    strip = np.zeros((SIDE, 6 * SIDE), np.uint8)
    right = 0
    for _ in range(generator.choice([2, 3, 4, 5], p=[0.5, 0.3, 0.12, 0.08])):
        digit = _box(digits.choose(generator)[0])
        height, width = digit.shape
        left = max(0, right + generator.integers(-2, 5))
        top = (SIDE - height) // 2 + generator.integers(-3, 4)
        place = strip[max(0, top) :, left : left + width]
        place = place[:height]
        np.maximum(place, digit[: len(place)], out=place)
        right = left + width
    return strip


# What is kept of which: of a 0 arcs or two bars, of 4's top posts or a peak, of 5's top an angle, of 8's middle an x,
# of 3's left three tips. The left of a 0 is a 1 now and then, of a 5 a narrow 5, of an 8 an 8.
_CUTS = {"top": "045", "bottom": "0", "middle": "08", "left": "3"}


def _part(generator: Generator, digits: Digits) -> Bytes:
    side = list(_CUTS)[generator.integers(len(_CUTS))]
    digit = _box(digits.choose(generator, _CUTS[side])[0])
    height, width = (round(generator.uniform(0.34, 0.46) * length) for length in digit.shape)
    top = {"bottom": len(digit) - height, "middle": (len(digit) - height) // 2}.get(side, 0)
    return digit[:, :width] if side == "left" else digit[top : top + height]


def _heap(generator: Generator, digits: Digits) -> Bytes:
    heap = np.zeros((2 * SIDE, 2 * SIDE), np.uint8)
    right, down = round(generator.uniform(8, 12)), round(generator.uniform(-5, 5))
    for x, y in ((0, SIDE // 2), (right, SIDE // 2 + down)):
        digit, _ = digits.choose(generator, "0235689")
        place = heap[y : y + SIDE, x : x + SIDE]
        np.maximum(place, digit, out=place)
    return heap


def _crossed_out(generator: Generator, digits: Digits) -> Bytes:
    from PIL import Image, ImageDraw

    sheet = Image.fromarray(np.pad(digits.choose(generator)[0], 4)).resize((108, 108), Image.Resampling.BICUBIC)
    side = generator.uniform(10, 26, (4, 2))
    corners = np.array([[0, 0], [108, 108], [108, 0], [0, 108]]) + side * [[1, 1], [-1, -1], [-1, 1], [1, -1]]
    width = int(generator.integers(8, 16))
    draw = ImageDraw.Draw(sheet)
    if generator.random() < 0.5:
        draw.line([tuple(corner) for corner in corners[:2]], 255, width)
        draw.line([tuple(corner) for corner in corners[2:]], 255, width)
    else:
        left, right = generator.uniform([8, 80], [28, 100])
        x = np.linspace(left, right, int(generator.integers(5, 10)))
        y = 54 + generator.uniform(18, 44, len(x)) * (-1) ** np.arange(len(x))
        draw.line([tuple(point) for point in np.stack([x, y], axis=1)], 255, width, joint="curve")
    return np.asarray(sheet)


_Turn = Callable[[Bytes], Bytes]
# Most digits make digits: 2 and 5 mirrored are each other, a hooked 7 upside down a 6, a 9 mirrored or a 6 upside down
# a looped 2, a 4 lying a 4 now and then, a slanted 8 lying an 8, a 1 a 1. What is left is a 3 as ε, m or w, a 7 as Γ.
_TURNS: tuple[tuple[_Turn, str], ...] = (
    (np.fliplr, "37"),
    (lambda digit: np.rot90(digit, 2), "3"),
    (np.rot90, "3"),
    (lambda digit: np.rot90(digit, 3), "3"),
)


def _turned(generator: Generator, digits: Digits) -> Bytes:
    turn, labels = _TURNS[generator.integers(len(_TURNS))]
    return turn(digits.choose(generator, labels)[0])
