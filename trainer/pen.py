"""A jittering pen: strokes given by points become pictures, each as another hand would write them."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.random import Generator

from trainer.layout import FIT, Bytes, Floats, centred

_SPACING = 6.0  # between samples along a stroke: about a pixel
_WAVES = 8  # of a trembling hand, along the strokes
_PRESSURE = 0.08  # how much the width varies along the strokes, relative
_SOFTNESS = 1.4  # pixels over which an edge goes from white to black


@dataclass(frozen=True)
class Hand:
    """How hands and their pens differ; lengths are hundredths of the height, the pen's are pixels of 28.

    Attributes:
        jitter: of each point, either way; bounded, or a 1 becomes a 7 now and then.
        rotation: degrees, either way.
        slant: degrees, from and to.
        stretch: width to height, as a logarithm, either way.
        tremor: strength of trembling.
        bend: how far the ends of the whole may bow, lean or widen against its middle, either way.
        width: the pen's median.
        spread: deviation of the logarithm of its width.
        widths: the least and the greatest.
    """

    jitter: float = 4.0
    rotation: float = 5.0
    slant: tuple[float, float] = (-8.0, 18.0)  # MNIST slants to the right as most hands do
    stretch: float = 0.2
    tremor: float = 0.8
    bend: float = 0.0
    width: float = 2.5
    spread: float = 0.25
    widths: tuple[float, float] = (1.5, 4.0)


MNIST = Hand()


def write(strokes: tuple[str, ...], count: int, generator: Generator, hand: Hand = MNIST) -> Bytes:
    """Write strokes, as `path` reads them, so many times: pictures [count, 28, 28], white ink on black."""
    read = path(strokes)
    return trace(read.basis @ jitter(read.points, count, generator, hand), read.starts, generator, hand)


def trace(lines: Floats, starts: list[int], generator: Generator, hand: Hand = MNIST) -> Bytes:
    """Draw lines [N, S, 2] with a trembling pen, from each of the starts to the next sample: [N, 28, 28]."""
    count, samples, _ = lines.shape
    lines = _tremble(lines, generator, hand)
    width = np.exp(generator.normal(np.log(hand.width), hand.spread, (count, 1))).clip(*hand.widths)
    widths = (width * (1 + _PRESSURE * _waves(count, samples, generator))).astype(np.float32)
    return centred(_ink(_fitted(lines, widths), widths / 2, starts))


@dataclass(frozen=True)
class Path:
    """Strokes as curves through points.

    Attributes:
        points: [P, 2], of all strokes.
        basis: [S, P]: samples along the strokes are basis @ points, wherever the points are moved.
        starts: samples from which the pen draws on to the next.
    """

    points: Floats
    basis: Floats
    starts: list[int]


@cache
def path(strokes: tuple[str, ...]) -> Path:
    """Read strokes, each a line of points "x,y", y downwards; the pen turns sharply at those marked "!"."""
    points: list[tuple[float, ...]] = []
    pieces: list[list[int]] = []  # indices of points between corners
    for stroke in strokes:
        corner: list[int] = []
        for smooth in stroke.split("!"):
            first = len(points)
            points += [tuple(map(float, point.split(","))) for point in smooth.split()]
            pieces.append([*corner, *range(first, len(points))])
            corner = pieces[-1][-1:]
    template = np.array(points, np.float32)
    bases = [_basis(template, piece) for piece in pieces]
    ends = np.cumsum([len(basis) for basis in bases])
    starts = [sample for sample in range(ends[-1] - 1) if sample + 1 not in ends]
    return Path(template, np.concatenate(bases), starts)


def _basis(points: Floats, piece: list[int]) -> Floats:
    """Weights [S, P] of the points in samples of a smooth curve (cubic Hermite) through a piece of them."""
    steps = np.hypot(*np.diff(points[piece], axis=0).T)
    knots = np.concatenate([[0], np.cumsum(steps)])
    at = np.linspace(0, knots[-1], 1 + int(np.ceil(knots[-1] / _SPACING)))
    values = np.eye(len(points))[piece]
    tangents = np.gradient(values, knots, axis=0, edge_order=2 if len(piece) > 2 else 1)
    left = (np.searchsorted(knots, at, side="right") - 1).clip(0, len(piece) - 2)
    step = steps[left][:, None]
    t = (at[:, None] - knots[left][:, None]) / step
    basis: Floats = (
        (2 * t**3 - 3 * t**2 + 1) * values[left]
        + (3 * t**2 - 2 * t**3) * values[left + 1]
        + (t**3 - 2 * t**2 + t) * step * tangents[left]
        + (t**3 - t**2) * step * tangents[left + 1]
    ).astype(np.float32)
    return basis


def jitter(points: Floats, count: int, generator: Generator, hand: Hand = MNIST) -> Floats:
    """Copies [count, P, 2] of the points [P, 2], each point moved, and all slanted, turned and stretched."""
    moved = points + generator.uniform(-hand.jitter, hand.jitter, (count, *points.shape))
    if hand.bend:
        moved += _bent(points, count, generator, hand)
    slant = np.tan(np.radians(generator.uniform(*hand.slant, count)))
    angle = np.radians(generator.uniform(-hand.rotation, hand.rotation, count))
    stretch = np.exp(generator.uniform(-hand.stretch, hand.stretch, count))
    cos, sin = np.cos(angle), np.sin(angle)
    # Column vectors: stretched first, then slanted (y points down), then turned.
    maps = np.array([[cos * stretch, -cos * slant - sin], [sin * stretch, cos - sin * slant]])
    jittered: Floats = np.einsum("ijn,npj->npi", maps, moved).astype(np.float32)
    return jittered


def _bent(points: Floats, count: int, generator: Generator, hand: Hand) -> Floats:
    """How far each of the points [P, 2] moves in so many quadratic warps of their box [count, P, 2]."""
    low, high = points.min(axis=0), points.max(axis=0)
    x, y = ((2 * points - low - high) / np.maximum(high - low, 1)).T  # from -1 to 1
    warps = generator.uniform(-hand.bend, hand.bend, (count, 2, 3))
    bent: Floats = np.einsum("nik,kp->npi", warps, np.stack([x * x, x * y, y * y])).astype(np.float32)
    return bent


def _waves(count: int, samples: int, generator: Generator) -> Floats:
    """Smooth noise [count, samples] along the strokes, of a deviation near one: the shorter a wave the weaker."""
    orders = np.arange(1, _WAVES + 1)
    waves = np.cos(np.outer(orders, np.linspace(0, np.pi, samples)))
    noise: Floats = (generator.normal(size=(count, _WAVES)) / orders @ waves).astype(np.float32)
    return noise


def _tremble(lines: Floats, generator: Generator, hand: Hand) -> Floats:
    """Lines [N, S, 2] as an unsteady hand draws them."""
    count, samples, _ = lines.shape
    shaken = [_waves(count, samples, generator) for _ in range(2)]
    return lines + hand.tremor * np.stack(shaken, axis=2)


def _fitted(lines: Floats, widths: Floats) -> Floats:
    """Lines [N, S, 2] in pixels of the 20x20 box, so that the ink of a pen so wide [N, S] fills its longer side."""
    low, high = lines.min(axis=1, keepdims=True), lines.max(axis=1, keepdims=True)
    room = FIT - widths.max(axis=1)[:, None, None]
    scale = room / (high - low).max(axis=2, keepdims=True)
    fitted: Floats = (lines - (low + high) / 2) * scale + FIT / 2
    return fitted


def _ink(lines: Floats, reach: Floats, starts: list[int]) -> Floats:
    """Ink [N, 20, 20] in 0..1 of lines [N, S, 2] that reach [N, S] pixels to either side."""
    y, x = (axis.ravel() + 0.5 for axis in np.indices((FIT, FIT), np.float32))
    depth = np.full((len(lines), FIT * FIT), -np.inf, np.float32)
    for start in starts:
        (ax, ay), (dx, dy) = lines[:, start].T[..., None], (lines[:, start + 1] - lines[:, start]).T[..., None]
        right, down = x - ax, y - ay
        along = ((right * dx + down * dy) / (dx * dx + dy * dy + 1e-6)).clip(0, 1)
        distance = np.hypot(right - along * dx, down - along * dy)
        near, far = reach[:, start, None], reach[:, start + 1, None]
        np.maximum(depth, near + along * (far - near) - distance, out=depth)
    ramp: Floats = (depth / _SOFTNESS + 0.5).clip(0, 1)
    smooth: Floats = ramp * ramp * (3 - 2 * ramp)
    return smooth.reshape(-1, FIT, FIT)
