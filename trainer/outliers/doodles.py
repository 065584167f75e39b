"""Scribbles and doodles: lines that mean nothing, in the hand of someone who tries out a pen.

Lines have more turns than any digit: a curve of few points is too often a 1, 2, 3, 6 or 7.
"""

from functools import partial

import numpy as np
from numpy.random import Generator

from trainer import pen
from trainer.layout import Bytes, Floats
from trainer.outliers.alphabet import THIN
from trainer.outliers.mix import mixed


def _template(strokes: int, points: int) -> pen.Path:
    """Smooth strokes of so many points, evenly spaced; where they go is drawn later."""
    return pen.path(tuple(" ".join(f"{30 * point},{stroke}" for point in range(points)) for stroke in range(strokes)))


def _curves(strokes: int, points: int, count: int, generator: Generator) -> Bytes:
    """Smooth strokes that wander about a box."""
    path = _template(strokes, points)
    steps = generator.normal(0, 1, (count, strokes, points, 2)).cumsum(axis=2)
    places = generator.uniform(0, 100, (count, strokes, points, 2)) + 12 * generator.random((count, 1, 1, 1)) * steps
    return pen.trace((path.basis @ places.reshape(count, -1, 2)).astype(np.float32), path.starts, generator, THIN)


def _straight(corners: Floats, pieces: list[int], generator: Generator, turned: bool = True) -> Bytes:
    """Straight lines from corner to corner [N, P, 2], except from the last of each piece to the next piece's first."""
    count, total, _ = corners.shape
    ends = set(np.cumsum(pieces))
    angle = generator.uniform(0, 2 * np.pi, count) * turned
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    lines = np.einsum("ijn,npj->npi", turn, corners).astype(np.float32)
    return pen.trace(lines, [at for at in range(total - 1) if at + 1 not in ends], generator, THIN)


def _smooth(x: Floats, y: Floats, generator: Generator, turned: bool = True) -> Bytes:
    """One stroke through samples x, y, each [N, S]."""
    return _straight(np.stack([x, y], axis=2), [x.shape[1]], generator, turned)


def _along(samples: int) -> Floats:
    return np.linspace(0, 1, samples, dtype=np.float32)[None]


def _column(low: float, high: float, count: int, generator: Generator) -> Floats:
    return generator.uniform(low, high, (count, 1)).astype(np.float32)


def _spirals(count: int, generator: Generator) -> Bytes:
    """Of more than two turns: with fewer a spiral is a 6 or a 9."""
    t = _along(90)
    turns = _column(2.3, 4.5, count, generator) * 2 * np.pi * generator.choice([-1, 1], (count, 1))
    radius = 50 * t ** _column(0.7, 1.3, count, generator)
    phase, flat = _column(0, 6.3, count, generator), _column(0.6, 1, count, generator)
    return _smooth(radius * np.cos(turns * t + phase), flat * radius * np.sin(turns * t + phase), generator)


def _loops(count: int, generator: Generator) -> Bytes:
    """A row of loops or waves, as of writing that cannot be read."""
    t = _along(110)
    angle = _column(3, 7, count, generator) * 2 * np.pi * t
    reach = _column(0, 14, count, generator)
    x = 100 * t + reach * np.cos(angle)
    uneven = 1 + 0.5 * np.sin(_column(3, 9, count, generator) * t + _column(0, 6.3, count, generator))
    tilt = np.radians(_column(-25, 25, count, generator))
    y = _column(10, 32, count, generator) * uneven * np.sin(angle)
    return _smooth(x * np.cos(tilt) - y * np.sin(tilt), x * np.sin(tilt) + y * np.cos(tilt), generator, turned=False)


def _rosettes(count: int, generator: Generator) -> Bytes:
    """Closed curves of many lobes and crossings, as a spirograph's."""
    t = _along(120) * 2 * np.pi
    fast = generator.choice([-5, -4, -3, -2, 4, 5, 6], (count, 1))  # of two lobes it would be an 8
    reach = _column(15, 45, count, generator)
    x, y = 40 * np.cos(t) + reach * np.cos(fast * t), 40 * np.sin(t) + reach * np.sin(fast * t)
    return _smooth(x.astype(np.float32), y.astype(np.float32), generator)


def _zigzags(corners: int, count: int, generator: Generator) -> Bytes:
    """Back and forth, from open as a saw to as dense as what is scribbled out."""
    x = np.linspace(0, 1, corners) * generator.uniform(60, 220, (count, 1))
    y = generator.uniform(25, 60, (count, corners)) * (-1) ** np.arange(corners)
    return _straight(np.stack([x, y], axis=2).astype(np.float32), [corners], generator)


def _hatching(lines: int, crossed: bool, count: int, generator: Generator) -> Bytes:
    """Parallel lines, some crossed by others."""
    across = np.linspace(0, 100, lines) + generator.uniform(-6, 6, (count, lines))
    ends = generator.uniform([-16, 84], [16, 116], (count, lines, 2))
    first = np.stack([np.repeat(across[..., None], 2, axis=2), ends], axis=3)
    second = first[:, ::-1, :, ::-1] + generator.uniform(-6, 6, (count, 1, 1, 1))
    corners = np.concatenate([first, second], axis=1) if crossed else first
    pieces = [2] * corners.shape[1]
    return _straight(corners.reshape(count, -1, 2).astype(np.float32), pieces, generator)


def _chaos(lines: int, count: int, generator: Generator) -> Bytes:
    """Straight lines anywhere."""
    corners = generator.uniform(0, 100, (count, 2 * lines, 2)).astype(np.float32)
    return _straight(corners, [2] * lines, generator)


def _polygons(corners: int, rays: int, count: int, generator: Generator) -> Bytes:
    """Closed polygons with lines from corner to corner; without them all but a triangle come near a 0."""
    angles = np.arange(corners) / corners + generator.uniform(-0.2, 0.2, (count, corners)) / corners
    radius = generator.uniform(36, 50, (count, corners))
    ring = np.stack([radius * np.cos(2 * np.pi * angles), radius * np.sin(2 * np.pi * angles)], axis=2)
    ring = np.concatenate([ring, ring[:, :1]], axis=1)
    diagonals = [ring[:, [ray % corners, (ray + corners // 2) % corners]] for ray in range(rays)]
    lines = np.concatenate([ring, *diagonals], axis=1).astype(np.float32)
    return _straight(lines, [corners + 1] + [2] * rays, generator)


def _circles(circles: int, spread: float, count: int, generator: Generator) -> Bytes:
    """Circles around one centre, or side by side: one above another they would be an 8."""
    t = _along(24)[0] * 2 * np.pi
    shrink = np.linspace(1, 1 if spread else 0.2, circles)[:, None]
    radius = generator.uniform(14 if spread else 46, 50, (count, circles, 1)) * shrink
    middle = (np.arange(circles) * spread)[:, None] * np.array([1, 0.2]) + generator.uniform(-4, 4, (count, circles, 2))
    x = middle[..., :1] + radius * np.cos(t)
    y = middle[..., 1:] + radius * np.sin(t)
    corners = np.stack([x, y], axis=3).reshape(count, -1, 2).astype(np.float32)
    return _straight(corners, [24] * circles, generator, turned=not spread)


curves = mixed(
    [partial(_curves, strokes, points) for strokes, points in ((1, 11), (1, 15), (1, 20), (2, 7), (3, 6), (4, 5))]
)
scribbles = mixed(
    [_spirals, _loops, _loops, _rosettes]
    + [partial(_zigzags, corners) for corners in (9, 12, 16, 22)]
    + [partial(_hatching, lines, False) for lines in (3, 5, 7)]
)
figures = mixed(
    [partial(_hatching, lines, True) for lines in (2, 3, 4)]
    + [partial(_chaos, lines) for lines in (5, 7, 10)]
    + [partial(_polygons, corners, rays) for corners, rays in ((3, 0), (3, 0), (4, 2), (5, 5), (6, 3), (8, 4))]
    + [partial(_circles, circles, spread) for circles, spread in ((3, 0), (4, 0), (2, 60), (3, 50), (4, 40))]
)
