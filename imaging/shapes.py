"""Ink becomes shapes: connected strokes, printed lines left out, with where they are and how much ink they hold."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from registry.rules import Floats

Mask = NDArray[np.uint8]
Labels = NDArray[np.uint16]

_MOST = 64  # shapes that are looked at, the largest
_SPECK = 0.015  # of the largest shape's area: less is dirt
_LINE_TILT = 0.27  # rise by run of a printed line: the tangent of 15 degrees
_LINE_THICK = 0.05  # of the picture's other side, at most
_LINE_COVER = 0.75  # of its length is ink
_MOST_PAIRS = 400  # of ends at both edges that may be a line


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels."""

    left: int
    top: int
    width: int
    height: int

    @property
    def right(self) -> int:
        """The first column beyond it."""
        return self.left + self.width

    @property
    def bottom(self) -> int:
        """The first row beyond it."""
        return self.top + self.height

    @property
    def slices(self) -> tuple[slice, slice]:
        """Its rows and columns in an array."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def union(self, other: "Box") -> "Box":
        """The smallest box around both."""
        left, top = min(self.left, other.left), min(self.top, other.top)
        return Box(left, top, max(self.right, other.right) - left, max(self.bottom, other.bottom) - top)

    def encloses(self, other: "Box") -> bool:
        """Whether the other lies within, and reaches none of its sides."""
        return (
            self.left < other.left and self.top < other.top and other.right < self.right and other.bottom < self.bottom
        )

    def scaled(self, across: float, down: float, left: float = 0.0, top: float = 0.0) -> "Box":
        """The same place in larger pixels, `left` and `top` of them further on; at least one pixel each way."""
        x, y = int(left + self.left * across), int(top + self.top * down)
        right, bottom = round(left + self.right * across), round(top + self.bottom * down)
        return Box(x, y, max(1, right - x), max(1, bottom - y))

    def gaps(self, other: "Box") -> tuple[int, int]:
        """Pixels between both across and down; negative where they overlap."""
        return (
            max(self.left, other.left) - min(self.right, other.right),
            max(self.top, other.top) - min(self.bottom, other.bottom),
        )

    def touches(self, height: int, width: int) -> tuple[str, ...]:
        """The edges of a picture that it reaches."""
        reached = {
            "left": self.left <= 0,
            "top": self.top <= 0,
            "right": self.right >= width,
            "bottom": self.bottom >= height,
        }
        return tuple(edge for edge, is_reached in reached.items() if is_reached)


@dataclass(frozen=True)
class Shape:
    """Connected ink: its number in the labels, its box, its pixels and the sum of their strength."""

    number: int
    box: Box
    area: int
    mass: float


@dataclass(frozen=True)
class Shapes:
    """A picture's shapes, the one with most ink first, and the labels [H, W] that say which pixel is whose."""

    labels: Labels
    found: tuple[Shape, ...]

    def mask(self, shapes: Sequence[Shape]) -> Mask:
        """The pixels [H, W] of some of them."""
        return reduce(np.bitwise_or, ((self.labels == shape.number).view(np.uint8) for shape in shapes))


def around(boxes: Iterable[Box]) -> Box:
    """The smallest box around all of some, of which there is one at least."""
    return reduce(Box.union, boxes)


def bounds(mask: Mask) -> Box:
    """The smallest box around a mask's pixels."""
    return Box(*cv2.boundingRect(mask))


def find_shapes(mask: Mask, strength: Floats, most: int = _MOST) -> Shapes:
    """The connected shapes of a mask [H, W], the largest `most`, without specks."""
    labels = np.zeros(mask.shape, np.uint16)
    inked = bounds(mask)  # paper without ink need not be walked through
    if not inked.width:
        return Shapes(labels, ())
    count, numbered = cv2.connectedComponents(mask[inked.slices], connectivity=8, ltype=cv2.CV_16U)
    if count == 2:  # ground and one shape, as most pictures have: counting by shape takes four times as long
        labels[inked.slices] = numbered
        mass = float(strength[inked.slices][numbered > 0].sum())
        return Shapes(labels, (Shape(1, inked, cv2.countNonZero(numbered), mass),))
    _, numbered, stats, _ = cv2.connectedComponentsWithStats(mask[inked.slices], connectivity=8, ltype=cv2.CV_16U)
    labels[inked.slices] = numbered
    areas = stats[1:, cv2.CC_STAT_AREA]
    largest = np.argsort(areas)[::-1][:most]
    shapes = []
    for row in largest[areas[largest] >= _SPECK * areas.max()]:
        left, top, width, height, area = stats[row + 1].tolist()
        box = Box(inked.left + left, inked.top + top, width, height)
        mass = float(strength[box.slices][labels[box.slices] == row + 1].sum())
        shapes.append(Shape(int(row) + 1, box, area, mass))
    return Shapes(labels, tuple(sorted(shapes, key=lambda shape: -shape.mass)))


def printed_lines(mask: Mask) -> Mask:
    """The pixels [H, W] of straight lines from edge to edge, as of ruled or squared paper and tables.

    What crosses one, so that its ink goes on across the line, is not part of it. A digit that fills the picture has
    straight strokes from edge to edge too: a line is thinner than the other strokes, or sticks out on both sides of
    them within the picture.
    """
    return _level_lines(mask) | _level_lines(mask.T).T


def _level_lines(mask: Mask) -> Mask:
    """Those of them that are level, to within 15 degrees."""
    height, width = mask.shape
    lines = np.zeros(mask.shape, np.uint8)
    margin = max(1, width // 50)
    sides = mask[:, :margin], mask[:, -margin:]
    if not all(side.any() for side in sides):
        return lines
    mask = np.ascontiguousarray(mask)
    starts, ends = (_runs(np.asarray(side.any(axis=1))) for side in sides)
    pairs = [
        (first, last)
        for first in starts
        for last in ends
        if abs(first[0] - last[0]) < _LINE_TILT * width and max(first[1], last[1]) <= max(2, _LINE_THICK * height)
    ][:_MOST_PAIRS]
    if not pairs:
        return lines
    columns = np.linspace(0, width - 1, 64)
    ends_at = np.asarray([[first[0], last[0]] for first, last in pairs])
    rows = ends_at[:, :1] + (ends_at[:, 1:] - ends_at[:, :1]) * columns / max(1, width - 1)
    thick = cv2.dilate(mask, np.ones((3, 1), np.uint8))
    covered = thick[rows.round().astype(int), columns.round().astype(int)].mean(axis=1)
    for (first, last), share in zip(pairs, covered, strict=True):
        if share < _LINE_COVER:
            continue
        thickness = (first[1] + last[1]) // 2 + 1
        near = np.zeros_like(mask)
        cv2.line(near, (0, round(first[0])), (width - 1, round(last[0])), 1, thickness + 2)
        crossing = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((thickness + 3, 1), np.uint8))
        line = near & mask & np.asarray(1 - crossing, dtype=np.uint8)
        if _is_printed(line, mask, thickness):
            lines |= line
    return lines


def _is_printed(line: Mask, mask: Mask, thickness: int) -> bool:
    rest = mask & (1 - line)
    if np.count_nonzero(rest) < 0.1 * np.count_nonzero(mask):
        return False
    if thickness < 0.6 * stroke_width(rest):
        return True
    height, width = mask.shape
    _, _, stats, _ = cv2.connectedComponentsWithStats(rest)
    left, _, across, _, _ = stats[1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())]
    rows = np.flatnonzero(line.any(axis=1))
    sticks_out = left > 0.04 * width and left + across < 0.96 * width
    return bool(sticks_out and rows[0] > 0.04 * height and rows[-1] < 0.96 * height)


def _runs(marked: NDArray[Any]) -> list[tuple[float, int]]:
    """The middles and lengths of the runs of True in a row."""
    changes = np.flatnonzero(np.diff(np.concatenate([[False], marked, [False]]).astype(np.int8)))
    return [((start + end - 1) / 2, int(end - start)) for start, end in changes.reshape(-1, 2).tolist()]


def stroke_width(mask: Mask) -> float:
    """The usual width in pixels of a mask's strokes: four times the mean distance of their pixels to their edge."""
    box = bounds(mask)
    if not box.width:
        return 1.0
    inked = mask[box.slices]  # no edge is farther than those around it
    away = cv2.distanceTransform(cv2.copyMakeBorder(inked, 1, 1, 1, 1, cv2.BORDER_CONSTANT), cv2.DIST_L2, 3)
    return max(1.0, 4 * (cv2.sumElems(away)[0] / cv2.countNonZero(inked) - 0.5))
