"""The best way through a line's pieces: each is an edge between two of its cuts, and so is leaving an atom out.

A way's score is the sum of its edges' scores. The best one is found as by Viterbi (1967), and how likely a piece is on
the right way by adding up all ways, as in graph transformer networks (LeCun et al. 1998, chapters 4 to 6), by whose
training on whole lines the weights were fitted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

import numpy as np
from numpy.typing import NDArray

from imaging.page import Piece, Row
from service.vote import Outcome

_LEAST = 1e-4  # a probability: a vote against says no more than that
_SUREST = 8.0  # log-odds: the gate says no more than that

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
    "gate",
)
# Fitted to 700 strips: python -m benchmarks.way --each 70 --seed 301 --mnist DIR
WEIGHTS = np.asarray([-1.94, 0.40, -0.26, 0.32, -0.10, -0.77, -2.26, -0.03, -0.27, -4.50, 0.50, -1.14, -25.73, 0.34])
# Where there is no gate: a logistic regression of each piece alone, on 200 other strips.
UNGATED = np.asarray([-0.88, 0.48, 0.90, -0.35, -0.16, -2.76, -0.27, -0.59, -0.32, -1.00, -0.59, -1.55, -0.70, 0.0])

# The scores of leaving an atom out: parts of a shape belong to a digit, small shapes may well be none.
_PART, _SMALL, _WHOLE = -8.0, -1.0, -6.0


@dataclass(frozen=True)
class Way:
    """Which of a row's pieces are its digits, from left to right, how likely each is, and which atoms are left out."""

    taken: tuple[int, ...]
    whole: tuple[float, ...]
    left_out: tuple[int, ...]


def find_way(row: Row, outcomes: Sequence[Outcome]) -> Way:
    """The best way through a row's pieces, of their outcomes."""
    scores = features(row, outcomes) @ _weights(outcomes) if row.pieces else np.zeros(0)
    free = left_out(row)
    places = len(row.atoms) + 1
    best, before, after = (np.full(places, -np.inf) for _ in range(3))
    best[0] = before[0] = after[-1] = 0.0
    last: list[int | None] = [None] * places  # the piece that ends there; none where an atom is left out
    ending = _by_place(row.pieces, at_end=True)
    for place in range(1, places):
        best[place], before[place] = best[place - 1] + free[place - 1], before[place - 1] + free[place - 1]
        for number in ending.get(place, ()):
            first = row.pieces[number].first
            before[place] = np.logaddexp(before[place], before[first] + scores[number])
            if best[first] + scores[number] > best[place]:
                best[place], last[place] = best[first] + scores[number], number
    starting = _by_place(row.pieces, at_end=False)
    for place in reversed(range(places - 1)):
        after[place] = after[place + 1] + free[place]
        for number in starting.get(place, ()):
            after[place] = np.logaddexp(after[place], scores[number] + after[row.pieces[number].last])
    taken, skipped = _walked_back(row, last)
    likely = [
        float(np.exp(before[row.pieces[number].first] + scores[number] + after[row.pieces[number].last] - before[-1]))
        for number in taken
    ]
    return Way(tuple(taken), tuple(min(1.0, share) for share in likely), tuple(skipped))


def features(row: Row, outcomes: Sequence[Outcome]) -> NDArray[np.float64]:
    """What tells whether each piece is exactly one digit [N, F], by `FEATURES`."""
    middle = median(atom.box.top + atom.box.height / 2 for atom in row.atoms)
    return np.asarray(
        [_facts(row, piece, outcome, middle) for piece, outcome in zip(row.pieces, outcomes, strict=True)]
    )


def left_out(row: Row) -> NDArray[np.float64]:
    """The score of leaving each atom out."""
    return np.asarray([_left_out(row, number) for number in range(len(row.atoms))])


def _weights(outcomes: Sequence[Outcome]) -> NDArray[np.float64]:
    return UNGATED if any(outcome.gate is None for outcome in outcomes) else WEIGHTS


def _by_place(pieces: Sequence[Piece], *, at_end: bool) -> dict[int, list[int]]:
    """The numbers of the pieces that end, or start, at each place."""
    found: dict[int, list[int]] = {}
    for number, piece in enumerate(pieces):
        found.setdefault(piece.last if at_end else piece.first, []).append(number)
    return found


def _walked_back(row: Row, last: Sequence[int | None]) -> tuple[list[int], list[int]]:
    """The pieces taken and the atoms left out on the way from its end, from left to right."""
    taken: list[int] = []
    skipped: list[int] = []
    place = len(row.atoms)
    while place:
        number = last[place]
        if number is None:
            place -= 1
            skipped.append(place)
        else:
            taken.append(number)
            place = row.pieces[number].first
    return taken[::-1], skipped[::-1]


def _facts(row: Row, piece: Piece, outcome: Outcome, middle: float) -> list[float]:
    votes = np.log([max(_LEAST, vote.probabilities[outcome.label]) for vote in outcome.cast])
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
        float(np.clip(outcome.gate or 0.0, -_SUREST, _SUREST)),
    ]


def _left_out(row: Row, number: int) -> float:
    atom = row.atoms[number]
    if atom.crossed or row.crossed(number + 1):
        return _PART
    return _SMALL if atom.box.height < 0.4 * row.height else _WHOLE
