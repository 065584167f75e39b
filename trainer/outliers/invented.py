"""Letters of no script: four strokes between places of a grid, so that a gate learns what letters have in common.

Of three strokes every tenth would be a digit: a 1 with flag and foot, a 9, a Z.
"""

from functools import partial
from itertools import combinations_with_replacement

import numpy as np
from numpy.random import Generator

from trainer import pen
from trainer.layout import Bytes, Floats
from trainer.outliers.alphabet import THIN
from trainer.outliers.mix import mixed

_GRID = np.array([[x, y] for x in (0, 36, 72) for y in (0, 50, 100)], np.float32)
# Points of a stroke's curve through the places where it starts, turns and ends: weights of the three, and how far
# the point lies aside of the way from start to end.
_STROKES: dict[str, tuple[tuple[float, float, float, float], ...]] = {
    "line": ((1, 0, 0, 0), (0, 0, 1, 0)),
    "corner": ((1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0)),
    "arc": ((1, 0, 0, 0), (0.5, 0, 0.5, 1), (0, 0, 1, 0)),
    "wave": ((1, 0, 0, 0), (0.7, 0, 0.3, 0.8), (0.3, 0, 0.7, -0.8), (0, 0, 1, 0)),
    "ring": ((1, 0, 0, 0), (0.5, 0, 0.5, 1), (0, 0, 1, 0), (0.5, 0, 0.5, -1), (1, 0, 0, 0)),
}


def _letters(kinds: tuple[str, ...], count: int, generator: Generator) -> Bytes:
    """Letters of these strokes; each starts anywhere or, as mostly, where an earlier one starts, turns or ends."""
    path = pen.path(tuple(_template(kind, row) for row, kind in enumerate(kinds)))
    known = np.empty((count, 0, 2), np.float32)
    strokes = []
    for kind in kinds:
        places = _GRID[generator.permuted(np.tile(np.arange(len(_GRID)), (count, 1)), axis=1)[:, :3]]
        if known.shape[1]:
            joined = np.flatnonzero(generator.random(count) < 0.7)
            places[joined, 0] = known[joined, generator.integers(known.shape[1], size=len(joined))]
        known = np.concatenate([known, places], axis=1)
        strokes.append(_points(kind, places, generator))
    points = np.concatenate(strokes, axis=1)
    points += generator.uniform(-THIN.jitter, THIN.jitter, points.shape)
    return pen.trace((path.basis @ points).astype(np.float32), path.starts, generator, THIN)


def _template(kind: str, row: int) -> str:
    """A stroke of as many points, evenly spaced: where they go is drawn for each letter."""
    points = [f"{40 * at},{row}" for at in range(len(_STROKES[kind]))]
    return " ".join(points[:2]) + ("! " if kind == "corner" else " ") + " ".join(points[2:])


def _points(kind: str, places: Floats, generator: Generator) -> Floats:
    """The points [N, P, 2] of strokes through places [N, 3, 2]."""
    weights = np.array(_STROKES[kind], np.float32)
    way = places[:, 2] - places[:, 0]
    aside = np.stack([-way[:, 1], way[:, 0]], axis=1) * generator.uniform(-0.6, 0.6, (len(places), 1))
    points: Floats = np.einsum("pk,nki->npi", weights[:, :3], places) + weights[:, 3:] * aside[:, None]
    return points


letters = mixed(
    [partial(_letters, kinds) for kinds in combinations_with_replacement(_STROKES, 4) if kinds.count("ring") < 2]
)
