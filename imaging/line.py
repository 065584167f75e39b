"""Of the shapes on a picture, those that stand in lines, and those that are no digits for certain."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

from imaging.shapes import Box, Shape, around

Reason = Literal["a frame", "a line", "a comma or a point", "a dash or a minus", "a speck", "not a digit"]

_FRAME = 0.25  # of its box that a frame covers, at most
_HELD = 0.25  # of a frame's height that something in it is high, at least
_TALL = 0.5  # of the usual height: what is less high is a sign, a speck or a stroke of a digit
_FLAT, _LONG = 0.25, 2.5  # of the usual height: what is less high and longer is a line
_SHARED = 0.35  # of the lower's height that two shapes of one line have beside each other
_LAST = 2  # shapes of a line that the next one is held against: one of them may be high or low
_REACH = 3.0  # usual heights between two neighbours of one line, at most
_ASIDE = 0.5  # of the line's height that a sign, or part of a broken digit, may lie off it


@dataclass(frozen=True)
class Skipped:
    """What was left out, where, and why."""

    box: Box
    reason: Reason


@dataclass(frozen=True)
class Line:
    """Shapes beside each other, from left to right, and the usual height of the tall ones in pixels."""

    shapes: tuple[Shape, ...]
    height: float
    box: Box


def find_lines(shapes: Sequence[Shape]) -> tuple[list[Line], list[Skipped]]:
    """The lines that shapes stand in, from top to bottom, and what stands in none."""
    framed = [shape for shape in shapes if _is_frame(shape, shapes)]
    rest = [shape for shape in shapes if shape not in framed]
    usual = _usual_height(rest)
    ruled = [shape for shape in rest if shape.box.height < _FLAT * usual and shape.box.width > _LONG * usual]
    rest = [shape for shape in rest if shape not in ruled]
    skipped = [Skipped(shape.box, "a frame") for shape in framed] + [Skipped(shape.box, "a line") for shape in ruled]
    groups = _beside_each_other([shape for shape in rest if shape.box.height >= _TALL * usual], usual)
    for shape in rest:
        if shape.box.height < _TALL * usual:
            near = min(groups, key=lambda group: _distance(shape, group), default=None)
            if near is not None and _distance(shape, near) <= _ASIDE * usual:
                near.append(shape)
            else:
                skipped.append(Skipped(shape.box, "a speck"))
    lines = [_line(group, usual) for group in groups]
    return sorted(lines, key=lambda line: line.box.top + line.box.height / 2), skipped


def _is_frame(shape: Shape, shapes: Sequence[Shape]) -> bool:
    """Whether it is drawn around others and holds little ink for its size."""
    box = shape.box
    return shape.area < _FRAME * box.width * box.height and any(
        box.encloses(other.box) and other.box.height > _HELD * box.height for other in shapes
    )


def _usual_height(shapes: Sequence[Shape]) -> float:
    """The height that half of all ink is less high than."""
    total, seen = sum(shape.mass for shape in shapes), 0.0
    for shape in sorted(shapes, key=lambda shape: shape.box.height):
        seen += shape.mass
        if seen >= total / 2:
            return float(shape.box.height)
    return 1.0


def _beside_each_other(shapes: Sequence[Shape], usual: float) -> list[list[Shape]]:
    """Tall shapes grouped by line: each goes on from the last one of a line that it stands beside."""
    groups: list[list[Shape]] = []
    for shape in sorted(shapes, key=lambda shape: shape.box.left):
        fits = [
            group
            for group in groups
            if _beside(shape, group) >= _SHARED and shape.box.gaps(group[-1].box)[0] <= _REACH * usual
        ]
        if fits:
            max(fits, key=lambda group: _beside(shape, group)).append(shape)
        else:
            groups.append([shape])
    return groups


def _beside(shape: Shape, group: Sequence[Shape]) -> float:
    """How much of its height a shape shares with those at the end of a line, at best."""
    return max(_shared(shape.box, other.box) for other in group[-_LAST:])


def _shared(one: Box, other: Box) -> float:
    """How much of the lower one's height both have beside each other; below 0 where they are apart."""
    return -one.gaps(other)[1] / min(one.height, other.height)


def _distance(shape: Shape, group: Sequence[Shape]) -> float:
    """Pixels from a shape to the nearest of a group, above or below it; beside it half of them."""
    gaps = (shape.box.gaps(other.box) for other in group)
    return min(max(0, across / 2, down) for across, down in gaps)


def _line(group: Sequence[Shape], usual: float) -> Line:
    box = around(shape.box for shape in group)
    tall = [shape.box.height for shape in group if shape.box.height >= _TALL * usual]
    return Line(tuple(sorted(group, key=lambda shape: shape.box.left)), float(median(tall)), box)
