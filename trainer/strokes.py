"""Digits drawn as pen strokes, in the forms that MNIST hardly holds: flagged ones, crossed sevens, zigzag fours.

MNIST is American handwriting, and a model trained on it alone misreads what others write. `FORMS` says how each form is
drawn; each picture is a form with its points moved, slanted, turned and stretched, drawn by a trembling pen of its own
width and laid out as MNIST is.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from trainer import canvas

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]

_SIDE, _FIT = 28, 20  # pixels: the picture's, and of the box that the ink fills
_SPACING = 6.0  # between samples along a stroke: about a pixel
_ROTATION, _SLANT = 5.0, (-8.0, 18.0)  # degrees; MNIST slants to the right as most hands do
_STRETCH = 0.2  # width to height, as a logarithm, either way
_JITTER = 4.0  # of each point, either way, hundredths of the height; bounded, or a 1 becomes a 7 now and then
_TREMOR, _WAVES = 0.8, 8  # strength of a trembling hand, hundredths of the height; waves along the strokes
_WIDTH, _SPREAD, _WIDTHS = 2.5, 0.25, (1.5, 4.0)  # pixels: the pen's median, its logarithm's deviation, its limits
_PRESSURE = 0.08  # how much the width varies along the strokes, relative
_SOFTNESS = 1.4  # pixels over which an edge goes from white to black


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
    pictures = np.empty((count, _SIDE, _SIDE), np.uint8)
    for index, form in enumerate(FORMS):
        where = np.flatnonzero(chosen == index)
        pictures[where] = draw_form(form, len(where), generator)
    return pictures, labels


def draw_form(form: Form, count: int, generator: Generator) -> Bytes:
    """Draw one form so many times: pictures [count, 28, 28], white ink on black."""
    path = _path(form)
    lines = _tremble(path.basis @ _jitter(path.points, count, generator), generator)
    width = np.exp(generator.normal(np.log(_WIDTH), _SPREAD, (count, 1))).clip(*_WIDTHS)
    widths = (width * (1 + _PRESSURE * _waves(count, len(path.basis), generator))).astype(np.float32)
    return _centred(_ink(_fitted(lines, widths), widths / 2, path.starts))


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


@dataclass(frozen=True)
class _Path:
    points: Floats  # [P, 2], of all strokes
    basis: Floats  # [S, P]: samples along the strokes are basis @ points, wherever the points are moved
    starts: list[int]  # samples from which the pen draws on to the next


@cache
def _path(form: Form) -> _Path:
    points: list[tuple[float, ...]] = []
    pieces: list[list[int]] = []  # indices of points between corners
    for stroke in form.strokes:
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
    return _Path(template, np.concatenate(bases), starts)


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


def _jitter(points: Floats, count: int, generator: Generator) -> Floats:
    """Copies [count, P, 2] of the points [P, 2], each point moved, and all slanted, turned and stretched."""
    moved = points + generator.uniform(-_JITTER, _JITTER, (count, *points.shape))
    slant = np.tan(np.radians(generator.uniform(*_SLANT, count)))
    angle = np.radians(generator.uniform(-_ROTATION, _ROTATION, count))
    stretch = np.exp(generator.uniform(-_STRETCH, _STRETCH, count))
    cos, sin = np.cos(angle), np.sin(angle)
    # Column vectors: stretched first, then slanted (y points down), then turned.
    maps = np.array([[cos * stretch, -cos * slant - sin], [sin * stretch, cos - sin * slant]])
    jittered: Floats = np.einsum("ijn,npj->npi", maps, moved).astype(np.float32)
    return jittered


def _waves(count: int, samples: int, generator: Generator) -> Floats:
    """Smooth noise [count, samples] along the strokes, of a deviation near one: the shorter a wave the weaker."""
    orders = np.arange(1, _WAVES + 1)
    waves = np.cos(np.outer(orders, np.linspace(0, np.pi, samples)))
    noise: Floats = (generator.normal(size=(count, _WAVES)) / orders @ waves).astype(np.float32)
    return noise


def _tremble(lines: Floats, generator: Generator) -> Floats:
    """Lines [N, S, 2] as an unsteady hand draws them."""
    count, samples, _ = lines.shape
    shaken = [_waves(count, samples, generator) for _ in range(2)]
    return lines + _TREMOR * np.stack(shaken, axis=2)


def _fitted(lines: Floats, widths: Floats) -> Floats:
    """Lines [N, S, 2] in pixels of the 20x20 box, so that the ink of a pen so wide [N, S] fills its longer side."""
    low, high = lines.min(axis=1, keepdims=True), lines.max(axis=1, keepdims=True)
    room = _FIT - widths.max(axis=1)[:, None, None]
    scale = room / (high - low).max(axis=2, keepdims=True)
    fitted: Floats = (lines - (low + high) / 2) * scale + _FIT / 2
    return fitted


def _ink(lines: Floats, reach: Floats, starts: list[int]) -> Floats:
    """Ink [N, 20, 20] in 0..1 of lines [N, S, 2] that reach [N, S] pixels to either side."""
    y, x = (axis.ravel() + 0.5 for axis in np.indices((_FIT, _FIT), np.float32))
    depth = np.full((len(lines), _FIT * _FIT), -np.inf, np.float32)
    for start in starts:
        (ax, ay), (dx, dy) = lines[:, start].T[..., None], (lines[:, start + 1] - lines[:, start]).T[..., None]
        right, down = x - ax, y - ay
        along = ((right * dx + down * dy) / (dx * dx + dy * dy + 1e-6)).clip(0, 1)
        distance = np.hypot(right - along * dx, down - along * dy)
        near, far = reach[:, start, None], reach[:, start + 1, None]
        np.maximum(depth, near + along * (far - near) - distance, out=depth)
    ramp: Floats = (depth / _SOFTNESS + 0.5).clip(0, 1)
    smooth: Floats = ramp * ramp * (3 - 2 * ramp)
    return smooth.reshape(-1, _FIT, _FIT)


def _centred(ink: Floats) -> Bytes:
    """Ink [N, 20, 20] in pictures [N, 28, 28], moved by whole pixels until its centre of mass is at (14, 14)."""
    places = np.arange(_FIT)
    total = ink.sum(axis=(1, 2))
    centres = np.stack([ink.sum(axis=2) @ places, ink.sum(axis=1) @ places]) / total
    down, right = np.rint(_SIDE / 2 - centres).astype(np.int64).clip(0, _SIDE - _FIT)
    pictures = np.zeros((len(ink), _SIDE, _SIDE), np.uint8)
    rows, columns = down[:, None] + places, right[:, None] + places
    pictures[np.arange(len(ink))[:, None, None], rows[:, :, None], columns[:, None, :]] = np.rint(ink * 255)
    return pictures
