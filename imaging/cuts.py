"""Cuts through ink that may hold several digits: seams from top to bottom that cross as little of it as they can.

The seams are those of seam carving (Avidan and Shamir 2007), of which the digits' segmentation by least crossing is a
case; more are offered than are needed, as in over-segmentation for strings of digits (LeCun et al. 1998, chapter 4).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imaging.shapes import Mask

_GROUND = 0.01  # cost of a pixel that is no ink: a short way is better
_ASLANT = 0.02  # cost of a step aside
_MOST = 3.2  # stroke widths that a cut may cross
_FEW = 1.5  # as above, through ink that is hardly wider than one digit
_APART = 0.16  # of the line's height between two cuts, and from a cut to the ink's side
_NARROW = 0.75  # of the line's height: ink that is narrower is one digit
_BROAD = 1.0  # as above: ink that is broader holds several digits, mostly
_BROADEST = 12.0  # as above: no digits


@dataclass(frozen=True)
class Cut:
    """A seam through ink: the first column right of it in each row [H], and how many stroke widths it crosses."""

    columns: NDArray[np.intp]
    crossed: float


def find_cuts(mask: Mask, height: float, stroke: float) -> list[Cut]:
    """Cuts through a shape's mask [H, W], from left to right; `height` is its line's, `stroke` its usual width."""
    rows, width = mask.shape
    height = max(height, rows)  # a digit may be higher than its line usually is, and as wide for it
    if not _NARROW * height <= width <= _BROADEST * height:
        return []
    most = (_MOST if width > _BROAD * height else _FEW) * stroke
    cost = mask.astype(np.float32) + np.float32(_GROUND)
    above, below = _least(cost), _least(cost[::-1])[::-1]
    row = rows // 2
    through = above[row] + below[row] - cost[row]
    margin = max(1, round(_APART * height))
    chosen: list[int] = []
    for column in np.argsort(through, kind="stable").tolist():
        if through[column] > most:
            break
        if margin <= column < width - margin and all(abs(column - other) >= margin for other in chosen):
            chosen.append(column)
    return [
        Cut(
            np.concatenate([_walk(above, row, column)[::-1], _walk(below[::-1], rows - 1 - row, column)[1:]]),
            float(through[column]) / stroke,
        )
        for column in sorted(chosen)
    ]


def _least(cost: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the cheapest way from the first row to each pixel [H, W] costs, a column aside at most from row to row."""
    total = cost.copy()
    for row in range(1, len(cost)):
        last = total[row - 1]
        best = last.copy()
        np.minimum(best[1:], last[:-1] + _ASLANT, out=best[1:])
        np.minimum(best[:-1], last[1:] + _ASLANT, out=best[:-1])
        total[row] += best
    return total


def _walk(total: NDArray[np.float32], row: int, column: int) -> NDArray[np.intp]:
    """The columns of the cheapest way from a pixel back to the first row."""
    columns = [column]
    for above in range(row - 1, -1, -1):
        first = max(0, column - 1)
        last = min(column + 2, total.shape[1])
        near = total[above, first:last] + _ASLANT * np.abs(np.arange(first, last) - column)
        column = first + int(near.argmin())
        columns.append(column)
    return np.asarray(columns, dtype=np.intp)
