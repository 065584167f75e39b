"""A picture of numbers becomes pieces that may be digits, each laid out as MNIST's are.

    bytes ──decode──▶ brightness ──strokes──▶ ink ──shapes, line──▶ lines ──cuts──▶ atoms ──layout──▶ pieces

An atom is a shape of a line, or what cuts leave of one; a piece is some atoms beside each other. Which pieces are the
digits is decided once the models have judged them (`service/numbers.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from imaging.cuts import find_cuts
from imaging.decode import decode
from imaging.errors import BlankPicture, TooManyShapes
from imaging.ground import Polarity
from imaging.layout import lay_out
from imaging.line import Line, Skipped, find_lines
from imaging.shapes import Box, Labels, Mask, Shape, Shapes, bounds, find_shapes, printed_lines, stroke_width
from imaging.steps import Step, Turn
from imaging.strokes import Strokes, find_strokes, whitened
from registry.rules import Floats

MOST_SHAPES = 64
_SIDE = 1000  # pixels a side that a picture is reduced to: a line of twenty digits still has fifty for each
_HEIGHT = 64  # pixels that a line's digits are made high
_ENLARGED = 4.0  # times, at most
_WEAKER = 0.75  # of the least that is no noise: ink may be so weak where it goes on from stronger
_HALF = 0.45  # of full ink: as above
_SMALLEST = 6  # pixels of ink that a picture has at least
_MOST_ATOMS = 12  # of a piece
_WIDEST = 1.5  # of its line's height that a piece is wide
_LOWEST = 0.3  # of its line's height that a piece is high
_APART = 0.2  # of its line's height between two shapes of one piece, at most
_MOST_PIECES = 1536
_THINNER = 0.6  # of the usual stroke's width: a printed line
_PIXELS = 1e6  # of a line, at most


@dataclass(frozen=True)
class Atom:
    """A shape or a part of one: its box in the line's pixels, and the stroke widths that the cut left of it crosses.

    Where it is a shape's first part, `crossed` is 0.
    """

    box: Box
    crossed: float


@dataclass(frozen=True)
class Piece:
    """The atoms `first` to before `last` of a line as one digit [1, 28, 28], and their box in the line's pixels."""

    first: int
    last: int
    picture: Floats
    box: Box
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Row:
    """A line's atoms from left to right, and all pieces of them that may be a digit.

    Its pixels are such that its digits are usually `height` high; `left`, `top`, `across` and `down` lead from them
    to the upload's.
    """

    atoms: tuple[Atom, ...]
    pieces: tuple[Piece, ...]
    height: float
    left: float
    top: float
    across: float
    down: float

    def crossed(self, place: int) -> float:
        """Stroke widths that the cut before the atom at a place crosses; 0 beyond the last."""
        return self.atoms[place].crossed if place < len(self.atoms) else 0.0

    def place(self, box: Box) -> Box:
        """A box of the line in the pixels of the upload."""
        return box.scaled(self.across, self.down, self.left, self.top)


@dataclass(frozen=True)
class Page:
    """The lines of a picture, what was left out of them, and how it was read."""

    rows: tuple[Row, ...]
    skipped: tuple[Skipped, ...]
    polarity: Polarity
    turn: Turn
    steps: tuple[Step, ...]
    warnings: tuple[str, ...]


def read_page(content: bytes, max_pixels: int) -> Page:
    """Decode an uploaded file and cut the numbers on it into pieces.

    Raises:
        NotAPicture: if no allowed format can be recognised in it.
        BrokenPicture: if it is one, but damaged or cut short.
        TooManyPixels: if its header announces more than `max_pixels`, or what takes too much memory to decode.
        BlankPicture: if no ink stands out from the ground.
        TooManyShapes: if more than 64 shapes do, or they can be cut in too many ways.
    """
    decoded = decode(content, max_pixels, _SIDE)
    across, down = decoded.across, decoded.down
    strokes = _with_weaker(find_strokes(decoded.gray))
    shapes = find_shapes(strokes.mask, strokes.strength, MOST_SHAPES + 1)
    if not shapes.found or shapes.found[0].area < min(_SMALLEST, strokes.mask.size // 8):
        raise BlankPicture
    if len(shapes.found) > MOST_SHAPES:
        raise TooManyShapes
    rest = _come_in(shapes, strokes.mask)
    lines, skipped = find_lines([shape for shape in shapes.found if shape not in rest])
    skipped += [Skipped(shape.box, "a line") for shape in rest]
    rows = tuple(_row(line, shapes, strokes, across, down) for line in lines)
    if sum(len(row.pieces) for row in rows) > _MOST_PIECES:
        raise TooManyShapes("Its shapes may be cut into digits in too many ways. " + TooManyShapes.default)
    return Page(
        rows,
        tuple(Skipped(each.box.scaled(across, down), each.reason) for each in skipped),
        strokes.polarity,
        decoded.turn,
        decoded.steps + strokes.steps,
        decoded.warnings + strokes.warnings,
    )


def _with_weaker(strokes: Strokes) -> Strokes:
    """Strokes with the weaker ink that goes on from them: of a line in a shadow, part is (hysteresis, Canny 1986)."""
    weaker = max(_WEAKER * strokes.floor, _HALF * strokes.full)
    if weaker >= strokes.threshold:
        return strokes
    mask = (strokes.strength > weaker).astype(np.uint8)
    mask &= 1 - printed_lines(mask)
    _, labels = cv2.connectedComponents(mask, connectivity=8, ltype=cv2.CV_16U)
    strong = np.zeros(int(labels.max()) + 1, np.uint8)
    strong[labels[strokes.mask > 0]] = 1
    strong[0] = 0
    return replace(strokes, mask=strong[labels], threshold=weaker)


def _come_in(shapes: Shapes, mask: Mask) -> list[Shape]:
    """The shapes that come in over the picture's edge, thinner than what is written: remains of printed lines."""
    at_edge = [shape for shape in shapes.found if shape.box.touches(*mask.shape)]
    if not at_edge or len(at_edge) == len(shapes.found):
        return []
    usual = stroke_width(shapes.mask([shape for shape in shapes.found if shape not in at_edge]))
    return [shape for shape in at_edge if stroke_width(_own(shapes, shape)) < _THINNER * usual]


def _own(shapes: Shapes, shape: Shape) -> Mask:
    """A shape's own pixels within its box."""
    box = shape.box
    own = shapes.labels[box.top : box.bottom, box.left : box.right] == shape.number
    return np.asarray(own, dtype=np.uint8)


def _row(line: Line, shapes: Shapes, strokes: Strokes, across: float, down: float) -> Row:
    """A line, its digits made 64 pixels high, as atoms and pieces."""
    area = (line.box.width + 4) * (line.box.height + 4)
    scale = min(_ENLARGED, _HEIGHT / line.height, (_PIXELS / area) ** 0.5)
    left, top = max(0, line.box.left - 2), max(0, line.box.top - 2)
    part = slice(top, line.box.bottom + 2), slice(left, line.box.right + 2)
    white = whitened(strokes.strength[part], strokes.threshold, strokes.full)
    numbers = shapes.labels[part]
    size = max(1, round(numbers.shape[1] * scale)), max(1, round(numbers.shape[0] * scale))
    white = np.clip(cv2.resize(white, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC), 0, 1)
    height = line.height * scale
    owners, atoms = _atoms(line, numbers, size, height)
    return Row(
        atoms,
        _pieces(atoms, owners, white, height),
        height,
        left * across,
        top * down,
        numbers.shape[1] / size[0] * across,
        numbers.shape[0] / size[1] * down,
    )


def _atoms(line: Line, numbers: Labels, size: tuple[int, int], height: float) -> tuple[Labels, tuple[Atom, ...]]:
    """Whose each pixel [H, W] is, 1 for the first atom and 0 for none, and the atoms from left to right."""
    owners = np.zeros((size[1], size[0]), np.uint16)
    found: list[tuple[float, Atom]] = []
    for shape in line.shapes:
        mask = _enlarged(numbers == shape.number, size)
        box = bounds(mask)
        if not box.width:
            continue
        place = slice(box.top, box.bottom), slice(box.left, box.right)
        own = mask[place]
        middle = box.left + box.width / 2
        cuts = find_cuts(own, height, stroke_width(own))
        columns = np.arange(box.width)
        sides = sum((columns >= cut.columns[:, np.newaxis]).astype(np.uint8) for cut in cuts) if cuts else 0
        for number in range(len(cuts) + 1):
            part = own & (sides == number)
            inner = bounds(part)
            if inner.width:
                crossed = cuts[number - 1].crossed if number else 0.0
                inner = Box(box.left + inner.left, box.top + inner.top, inner.width, inner.height)
                found.append((middle + number * 1e-3, Atom(inner, crossed)))
                owners[place][part > 0] = len(found)
    order = sorted(range(len(found)), key=lambda number: found[number][0])
    ranks = np.zeros(len(found) + 1, np.uint16)
    ranks[[number + 1 for number in order]] = np.arange(1, len(found) + 1)
    return ranks[owners], tuple(found[number][1] for number in order)


def _enlarged(mask: NDArray[np.bool_], size: tuple[int, int]) -> Mask:
    return (cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_LINEAR) > 0.5).astype(np.uint8)


def _pieces(atoms: Sequence[Atom], owners: Labels, white: Floats, height: float) -> tuple[Piece, ...]:
    """Every run of atoms that has a digit's size, laid out."""
    pieces = []
    for first in range(len(atoms)):
        box = atoms[first].box
        for last in range(first + 1, min(first + _MOST_ATOMS, len(atoms)) + 1):
            apart = max(atoms[last - 1].box.gaps(box)) > _APART * height
            box = box.union(atoms[last - 1].box)
            if apart or box.width > _WIDEST * max(height, box.height):
                break
            if box.height < _LOWEST * height:
                continue
            rows = slice(max(0, box.top - 1), box.bottom + 1)
            columns = slice(max(0, box.left - 1), box.right + 1)
            near = owners[rows, columns]
            mine = ((near > first) & (near <= last)).astype(np.uint8)
            soft = cv2.dilate(mine, np.ones((3, 3), np.uint8)) & ((near == 0) | (mine > 0))
            picture, steps = lay_out(white[rows, columns] * soft)
            pieces.append(Piece(first, last, picture[np.newaxis], box, steps))
    return tuple(pieces)
