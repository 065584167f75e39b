"""From judged pieces to numbers: the best way through each line's pieces, and what it leaves out.

Each piece of a line is an edge between two of its cuts; so is leaving an atom out. The digits are the edges of the way
from the line's start to its end whose scores, log-odds of being one digit, have the largest sum (Viterbi 1967, on the
segmentation graph of LeCun et al. 1998).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

import numpy as np
from numpy.typing import NDArray

from service.imaging.line import Reason, Skipped
from service.imaging.page import Page, Piece, Row
from service.imaging.shapes import Box, around
from service.vote import Outcome

_LEAST = 1e-4  # a probability: a vote against says no more than that
_SPACE = 1.5  # of the line's height: a wider gap is a space
_DOUBT = 0.5  # that a piece is one digit: a less probable one is not accepted

# The usual width by height of each digit in MNIST's training set, and its spread, both as natural logarithms.
_ASPECT = np.asarray([-0.11, -0.94, -0.08, -0.24, -0.25, -0.07, -0.35, -0.27, -0.29, -0.41])
_SPREAD = np.asarray([0.21, 0.48, 0.24, 0.22, 0.22, 0.28, 0.23, 0.22, 0.23, 0.21])

FEATURES = (
    "one",
    "confidence",
    "mean",
    "least",
    "aspect",
    "lower",
    "higher",
    "crossed",
    "cuts",
    "gap",
    "shapes",
    "aside",
    "aside_small",
)
# Logistic regression of "exactly one digit, read right" on 200 strips:
# python -m benchmarks.numbers --each 20 --seed 5 --mnist DIR --fit
WEIGHTS = np.asarray([-0.88, 0.48, 0.90, -0.35, -0.16, -2.76, -0.27, -0.59, -0.32, -1.00, -0.59, -1.55, -0.70])


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
        digits, left_out = best_way(row, judged)
        skipped += left_out
        if digits:
            lines.append(_number(digits))
    return Numbers(tuple(lines), tuple(skipped))


def best_way(row: Row, outcomes: Sequence[Outcome]) -> tuple[list[Digit], list[Skipped]]:
    """The digits of the most probable way through a row's pieces, and the atoms that it leaves out."""
    scores = features(row, outcomes) @ WEIGHTS if row.pieces else np.zeros(0)
    best = np.full(len(row.atoms) + 1, -np.inf)
    best[0] = 0
    last: list[int | None] = [None] * (len(row.atoms) + 1)  # the piece that ends there; none where an atom is left out
    ending: dict[int, list[int]] = {}
    for number, piece in enumerate(row.pieces):
        ending.setdefault(piece.last, []).append(number)
    for place in range(1, len(row.atoms) + 1):
        best[place] = best[place - 1] + _left_out(row, place - 1)
        for number in ending.get(place, ()):
            total = best[row.pieces[number].first] + scores[number]
            if total > best[place]:
                best[place], last[place] = total, number
    digits: list[Digit] = []
    left_out: list[Skipped] = []
    place = len(row.atoms)
    while place:
        taken = last[place]
        if taken is None:
            place -= 1
            left_out.append(Skipped(row.place(row.atoms[place].box), _reason(row, row.atoms[place].box)))
        else:
            piece = row.pieces[taken]
            digits.append(Digit(piece, outcomes[taken], row.place(piece.box), float(1 / (1 + np.exp(-scores[taken])))))
            place = piece.first
    return digits[::-1], left_out[::-1]


def features(row: Row, outcomes: Sequence[Outcome]) -> NDArray[np.float64]:
    """What tells whether each piece is exactly one digit [N, F], by `FEATURES`."""
    middle = median(atom.box.top + atom.box.height / 2 for atom in row.atoms)
    return np.asarray(
        [_facts(row, piece, outcome, middle) for piece, outcome in zip(row.pieces, outcomes, strict=True)]
    )


def _facts(row: Row, piece: Piece, outcome: Outcome, middle: float) -> list[float]:
    votes = np.log([max(_LEAST, float(vote.probabilities[outcome.label])) for vote in outcome.cast])
    confidence = float(np.clip(outcome.confidence, _LEAST, 1 - _LEAST))
    box, atoms = piece.box, row.atoms[piece.first : piece.last]
    aspect = (np.log(box.width / box.height) - _ASPECT[outcome.label]) / _SPREAD[outcome.label]
    size = float(np.log(box.height / row.height))
    following = row.crossed(piece.last)
    gap = max((after.box.left - before.box.right for before, after in pairwise(atoms)), default=0)
    aside = abs(box.top + box.height / 2 - middle) / row.height
    return [
        1.0,
        float(np.log(confidence / (1 - confidence))),
        float(votes.mean()),
        float(votes.min()),
        min(float(aspect) ** 2, 16.0),
        max(0.0, -size) ** 2 * 4,
        max(0.0, size) ** 2 * 4,
        atoms[0].crossed + following,
        float((atoms[0].crossed > 0) + (following > 0)),
        max(0.0, gap / row.height) * 10,
        float(sum(atom.crossed == 0 for atom in atoms[1:])),
        aside,
        aside * max(0.0, -size),
    ]


def _left_out(row: Row, number: int) -> float:
    """The score of leaving an atom out: parts of a shape belong to a digit, small shapes may well be none."""
    atom = row.atoms[number]
    if atom.crossed or row.crossed(number + 1):
        return -8.0
    return -1.0 if atom.box.height < 0.4 * row.height else -6.0


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
