"""From judged pieces to numbers: the digits on the best way through each line, and what it leaves out."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from imaging.line import Reason, Skipped
from imaging.page import Page, Piece, Row
from imaging.shapes import Box, around
from service.vote import Outcome
from service.way import find_way

_SPACE = 1.5  # of the line's height: a wider gap is a space
_DOUBT = 0.5  # that a piece is one digit: a less probable one is not accepted


@dataclass(frozen=True)
class Digit:
    """A piece that was read as a digit: the models' outcome, its box in the upload, how sure it is one digit."""

    piece: Piece
    outcome: Outcome
    box: Box
    whole: float

    @property
    def certain(self) -> bool:
        """Whether it is more likely one digit than not."""
        return self.whole >= _DOUBT


@dataclass(frozen=True)
class Number:
    """One line's digits from left to right, its text, and the box around them in the upload."""

    digits: tuple[Digit, ...]
    text: str
    box: Box


@dataclass(frozen=True)
class Numbers:
    """A picture's lines from top to bottom, and what was left out of them."""

    lines: tuple[Number, ...]
    skipped: tuple[Skipped, ...]

    @property
    def text(self) -> str:
        """All lines, with line breaks between them."""
        return "\n".join(line.text for line in self.lines)


def read_numbers(page: Page, outcomes: Sequence[Outcome]) -> Numbers:
    """The numbers of a page, from the outcomes of its rows' pieces in order."""
    lines: list[Number] = []
    skipped = list(page.skipped)
    start = 0
    for row in page.rows:
        judged = outcomes[start : start + len(row.pieces)]
        start += len(row.pieces)
        digits, left_out = _digits(row, judged)
        skipped += left_out
        if digits:
            lines.append(_number(digits))
    return Numbers(tuple(lines), tuple(skipped))


def _digits(row: Row, outcomes: Sequence[Outcome]) -> tuple[list[Digit], list[Skipped]]:
    """The digits on the best way through a row's pieces, and the atoms that it leaves out."""
    way = find_way(row, outcomes)
    digits = [
        Digit(row.pieces[number], outcomes[number], row.place(row.pieces[number].box), whole)
        for number, whole in zip(way.taken, way.whole, strict=True)
    ]
    boxes = [row.atoms[number].box for number in way.left_out]
    return digits, [Skipped(row.place(box), _reason(row, box)) for box in boxes]


def _reason(row: Row, box: Box) -> Reason:
    """What something that was left out of a line is most likely."""
    middle = median(atom.box.top + atom.box.height / 2 for atom in row.atoms)
    if max(box.width, box.height) < 0.12 * row.height:
        return "a speck" if box.top + box.height / 2 < middle else "a comma or a point"
    if box.height < 0.35 * row.height and box.width > 1.5 * box.height:
        return "a dash or a minus"
    if box.height < 0.5 * row.height and box.top > middle:
        return "a comma or a point"
    return "not a digit"


def _number(digits: Sequence[Digit]) -> Number:
    box = around(digit.box for digit in digits)
    height = median(digit.box.height for digit in digits)
    text = str(digits[0].outcome.label)
    for before, digit in pairwise(digits):
        text += (" " if digit.box.left - before.box.right > _SPACE * height else "") + str(digit.outcome.label)
    return Number(tuple(digits), text, box)
