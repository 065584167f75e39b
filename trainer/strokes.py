"""Digits drawn as pen strokes, in the forms that MNIST hardly holds: flagged ones, crossed sevens, zigzag fours.

MNIST is American handwriting, and a model trained on it alone misreads what others write. `FORMS` says how each form is
drawn; each picture is a form with its points moved, slanted, turned and stretched, drawn by a trembling pen of its own
width and laid out as MNIST is.
"""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from trainer import canvas, pen
from trainer.layout import SIDE
from trainer.layout import Bytes as Bytes
from trainer.layout import Floats as Floats


@dataclass(frozen=True)
class Form:
    """One way of writing a digit.

    Attributes:
        label: the digit.
        name: what is particular about the form.
        weight: its share among the forms of the label, relative to theirs.
        strokes: each a line of points "x,y", y downwards, in a box about 100 high. The pen runs smoothly through the
            points and turns sharply at those marked "!": "0,0 50,0! 20,100" is a 7.
    """

    label: int
    name: str
    weight: float
    strokes: tuple[str, ...]


# What MNIST hardly holds has the greater weight.
FORMS = (
    Form(0, "oval", 3, ("32,0 10,14 0,50 10,86 32,100 54,86 64,50 54,14 33,0 24,3",)),
    Form(0, "left open at the top", 2, ("38,3 16,8 0,44 6,84 30,100 54,84 60,46 46,10 22,8",)),
    Form(0, "slashed", 0.4, ("36,0 10,14 0,50 10,86 36,100 62,86 72,50 62,14 37,0 28,3", "84,-4 -12,104")),
    Form(1, "bar", 2, ("0,0 0,100",)),
    Form(1, "short flag", 2, ("0,30 18,0! 18,100",)),
    Form(1, "long flag", 4, ("0,44 33,0! 33,100",)),
    Form(1, "flag half the stem long", 2, ("0,55 36,0! 36,100",)),
    Form(1, "flag and foot", 3, ("2,32 24,0! 24,100", "0,100 48,100")),
    Form(1, "foot", 1, ("20,0 20,100", "0,100 40,100")),
    Form(2, "round", 2, ("2,24 12,5 32,0 54,12 54,34 34,66 0,100! 64,100",)),
    Form(2, "wavy base", 1, ("2,20 24,0 50,14 40,50 4,94! 20,84 42,98 64,90",)),
    Form(2, "looped", 3, ("4,20 28,0 52,18 42,56 20,88 6,97 0,86 10,78 30,88 48,97 66,92",)),
    Form(2, "straight, like a z", 3, ("0,4 58,0! 0,100! 62,98",)),
    Form(3, "two bows", 2, ("2,12 26,0 50,18 40,40 18,48! 46,54 56,76 34,100 0,90",)),
    Form(3, "flat top", 3, ("2,0 54,0! 22,42! 48,50 57,74 38,97 0,92",)),
    Form(4, "open", 2, ("6,0 0,58! 60,56", "44,6 42,100")),
    Form(4, "open and round", 1, ("4,0 2,40 18,54 50,46", "52,0 46,100")),
    Form(4, "closed", 3, ("42,0 0,66! 64,66", "42,0 42,100")),
    Form(4, "zigzag in one stroke", 3, ("24,0 0,53! 55,49! 38,100",)),
    Form(4, "open in one stroke", 2, ("22,0 0,56! 46,54! 52,24! 44,100",)),
    Form(5, "bar on top", 2, ("10,0 4,42! 30,36 54,54 50,86 24,100 0,90", "9,0 56,0")),
    Form(5, "bar detached", 3, ("8,10 4,46! 30,40 54,58 50,86 24,100 0,90", "25,0 68,-5")),
    Form(5, "one stroke", 2, ("54,0 8,2! 4,44! 34,38 56,62 42,94 0,96",)),
    Form(6, "curved", 2, ("44,0 16,24 2,62 12,94 34,100 52,82 46,60 26,56 6,74",)),
    Form(6, "straight diagonal stem", 3, ("44,0 24,32 4,66 8,92 28,100 48,88 46,66 26,60 6,74",)),
    Form(6, "straight upright stem", 1, ("6,0 3,34 2,70 10,95 30,100 50,84 44,62 22,60 4,76",)),
    Form(7, "plain", 2, ("0,0 56,0! 20,100",)),
    Form(7, "hooked", 1, ("1,15 2,0! 62,0! 22,100",)),
    Form(7, "crossed", 4, ("0,0 58,0! 22,100", "14,52 62,48")),
    Form(7, "crossed, hooked and curved", 3, ("0,14 4,0! 60,0! 40,36 30,66 28,100", "12,50 58,48")),
    Form(8, "one stroke", 2, ("46,10 26,0 6,18 24,44 52,72 30,100 4,78 28,48 48,22 44,8",)),
    Form(
        8,
        "two circles",
        3,
        (
            "26,0 8,8 3,24 10,40 26,46 42,40 49,24 44,8 27,0",
            "26,46 6,56 0,74 8,92 26,100 44,92 52,74 46,56 27,46",
        ),
    ),
    Form(9, "round", 2, ("46,14 26,0 4,14 2,36 20,48 40,36 47,12 46,50 38,100",)),
    Form(9, "straight tail", 3, ("46,10 24,0 3,16 3,38 22,48 40,36 48,6! 48,100",)),
    Form(9, "curled tail", 3, ("46,12 24,0 3,14 3,36 22,46 42,34 48,8! 50,60 40,92 20,100 2,90",)),
)


def draw(count: int, seed: int) -> tuple[Bytes, Bytes]:
    """Draw digits, as many of each label to within one, in random order.

    Args:
        count: how many.
        seed: decides them to the bit.

    Returns:
        Pictures [count, 28, 28], white ink on black, and their labels [count].
    """
    generator = np.random.default_rng(seed)
    labels = generator.permutation(np.arange(count) % 10).astype(np.uint8)
    chosen = _choose(labels, generator)
    pictures = np.empty((count, SIDE, SIDE), np.uint8)
    for index, form in enumerate(FORMS):
        where = np.flatnonzero(chosen == index)
        pictures[where] = draw_form(form, len(where), generator)
    return pictures, labels


def draw_form(form: Form, count: int, generator: Generator) -> Bytes:
    """Draw one form so many times: pictures [count, 28, 28], white ink on black."""
    return pen.write(form.strokes, count, generator)


def sheet(seed: int, columns: int = 12, forms: tuple[Form, ...] = FORMS) -> bytes:
    """Each form drawn so many times, in a row of its own, as a PNG: to be looked at after every change of a form."""
    generator = np.random.default_rng(seed)
    rows = {f"{form.label} {form.name}": draw_form(form, columns, generator) for form in forms}
    return canvas.rows("Synthetic digits by form", rows)


def _choose(labels: Bytes, generator: Generator) -> NDArray[np.int64]:
    """An index into FORMS for each label, by weight."""
    chosen = np.empty(len(labels), np.int64)
    for label in range(10):
        indices = [index for index, form in enumerate(FORMS) if form.label == label]
        weights = np.array([FORMS[index].weight for index in indices])
        where = labels == label
        chosen[where] = generator.choice(indices, where.sum(), p=weights / weights.sum())
    return chosen
