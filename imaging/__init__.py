"""A picture of a digit becomes the 28x28 that MNIST would have held: white ink on black, 0..1.

    bytes ──decode──▶ brightness ──ground──▶ ink ──shapes──▶ shapes ──choice──▶ a digit's strokes ──layout──▶ 28x28

One file each; what was done on the way is kept in `Seen`.
"""

from dataclasses import dataclass, replace
from io import BytesIO

import cv2
import numpy as np
from PIL import Image

from imaging.choice import choose, is_row
from imaging.decode import decode
from imaging.errors import BlankPicture
from imaging.ground import Polarity
from imaging.layout import is_mnist, lay_out
from imaging.shapes import Box, Mask, bounds, find_shapes, stroke_width
from imaging.steps import Step, Turn
from imaging.strokes import find_strokes, whitened
from registry.rules import Floats

_SIMILAR = 0.15  # of the digit's ink: another shape with so much is worth a word
_FAINTER = 0.25  # of full ink: what is that strong and goes on from a digit is part of it
_FARTHEST = 1.7  # times its size that a digit may grow so
_WORTH = 0.05  # of its ink that it must gain by that
_AS_WIDE = 0.4  # of its stroke's width that they must be
_SMALLEST = 6  # pixels of ink that a digit has at least

# One picture is read in one thread: whoever calls has as many as it wants.
cv2.setNumThreads(1)


@dataclass(frozen=True)
class Seen:
    """A picture [1, 28, 28] as the models see it, and how it was read.

    `box` is the digit's, in the pixels of the upload once it stands upright, as browsers show it. `turn` is how many
    degrees clockwise EXIF said that it must be turned. `warnings` are what its sender should know, `alone` whether no
    other digit stands beside it.
    """

    picture: Floats
    box: Box
    polarity: Polarity
    turn: Turn = 0
    steps: tuple[Step, ...] = ()
    warnings: tuple[str, ...] = ()
    alone: bool = True


def read(content: bytes, max_pixels: int) -> Seen:
    """Decode an uploaded file and lay its digit out as MNIST does.

    Raises:
        NotAPicture: if no allowed format can be recognised in it.
        BrokenPicture: if it is one, but damaged or cut short.
        TooManyPixels: if its header announces more than `max_pixels`, or what takes too much memory to decode.
        BlankPicture: if no ink stands out from the ground.
    """
    decoded = decode(content, max_pixels)
    seen = look(decoded.gray)
    if not decoded.steps and not decoded.warnings:  # it is as it was uploaded
        return seen
    return replace(
        seen,
        box=seen.box.scaled(decoded.across, decoded.down),
        turn=decoded.turn,
        steps=decoded.steps + seen.steps,
        warnings=decoded.warnings + seen.warnings,
    )


def warm_up() -> None:
    """Read one picture, so that Pillow's plugins are loaded before the first request comes."""
    file = BytesIO()
    Image.linear_gradient("L").point(lambda value: 0 if value < 64 else 255).save(file, "PNG")
    read(file.getvalue(), 256 * 256)


def look(gray: Floats) -> Seen:
    """Find the digit in brightness [H, W] and lay it out; what MNIST already would hold passes through unchanged.

    Raises:
        BlankPicture: if no ink stands out from the ground.
    """
    if is_mnist(gray):
        return Seen(gray[np.newaxis], bounds((gray > 0).astype(np.uint8)), "light on dark", steps=("unchanged",))
    strokes = find_strokes(gray)
    mask, strength, threshold, full = strokes.mask, strokes.strength, strokes.threshold, strokes.full
    steps, warnings = list(strokes.steps), list(strokes.warnings)
    digit, several, alone = _picked(mask, strength)
    if several:
        steps.append("picked")
        warnings.append("several shapes: the largest was read")
    if not alone:
        warnings.append("more than one digit: send numbers to POST /read")
    fainter = max(strokes.floor, _FAINTER * full)
    if (grown := _grown(digit, mask, strength, fainter)) is not None:
        digit, full, threshold = grown, threshold, fainter
        steps.append("grown")
    box = bounds(digit)
    if edges := box.touches(*gray.shape):
        warnings.append(f"may be cut off at the {' and the '.join(edges)} edge: leave a margin")
    white = whitened(strength[box.slices], threshold, full)
    white *= cv2.dilate(digit[box.slices], np.ones((3, 3), np.uint8))
    picture, last = lay_out(white)
    return Seen(picture[np.newaxis], box, strokes.polarity, 0, (*steps, *last), tuple(warnings), alone)


def _picked(mask: Mask, strength: Floats) -> tuple[Mask, bool, bool]:
    """The most prominent digit's pixels [H, W], whether something about as large was left out, whether it is alone."""
    shapes = find_shapes(mask, strength)
    if not shapes.found or shapes.found[0].area < min(_SMALLEST, mask.size // 8):
        raise BlankPicture
    chosen, others = choose(shapes.found, *mask.shape)
    least = _SIMILAR * sum(shape.mass for shape in chosen)
    several = any(shape.mass > least for shape in others)
    return shapes.mask(chosen), several, not is_row(chosen, others, *mask.shape)


def _grown(digit: Mask, mask: Mask, strength: Floats, threshold: float) -> Mask | None:
    """The digit [H, W] with fainter strokes that go on from it, as wide as its own; None if there are none.

    Nor are they its own where they lead far beyond all strong ink that they join, or from edge to edge.
    """
    inked = digit | (strength > threshold).view(np.uint8)
    place = bounds(inked).slices  # paper without ink need not be walked through
    own, inked = digit[place], inked[place]
    least = _WORTH * cv2.countNonZero(own)
    if cv2.countNonZero(inked & _beside(own, 1)) < least:  # soft edges alone, whatever the strokes' width
        return None
    width = stroke_width(own)
    beside = _beside(own, max(1, round(width / 2)))
    if cv2.countNonZero(inked & beside) < least:
        return None
    _, labels = cv2.connectedComponents(inked, connectivity=8, ltype=cv2.CV_16U)
    mine = np.zeros(int(labels.max()) + 1, dtype=np.uint8)
    mine[labels[own > 0]] = 1
    joined = mine[labels]
    added = joined & beside
    if cv2.countNonZero(added) < least or stroke_width(added) < _AS_WIDE * width:
        return None
    grown = np.zeros_like(digit)
    grown[place] = joined
    strong, large = bounds(mask & grown), bounds(grown)
    new_edges = set(large.touches(*digit.shape)) - set(strong.touches(*digit.shape))
    far = max(large.width, large.height) > _FARTHEST * max(strong.width, strong.height)
    return None if far or len(new_edges) > 1 else grown


def _beside(mask: Mask, reach: int) -> Mask:
    """The pixels [H, W] that lie more than `reach` from every pixel of a mask."""
    side = 2 * reach + 1
    return np.asarray(1 - cv2.dilate(mask, np.ones((side, side), np.uint8)), dtype=np.uint8)
