"""A picture of a digit becomes the 28x28 that MNIST would have held: white ink on black, 0..1.

    bytes ──decode──▶ brightness ──ground──▶ ink ──shapes──▶ shapes ──choice──▶ a digit's strokes ──layout──▶ 28x28

One file each; what was done on the way is kept in `Seen`.
"""

from dataclasses import dataclass, replace
from io import BytesIO

import cv2
import numpy as np
from PIL import Image

from registry.rules import Floats
from service.errors import BlankPicture
from service.imaging.choice import choose, is_row
from service.imaging.decode import decode
from service.imaging.ground import Ink, Polarity, find_ink
from service.imaging.layout import is_mnist, lay_out
from service.imaging.shapes import Box, Mask, bounds, find_shapes, printed_lines, stroke_width
from service.imaging.steps import Step, Turn

_FLOOR = 0.025  # of full scale: what stands out less is nothing
_SIGMAS = 4.5  # of the paper's noise: as above
_FAINT = 0.15  # of full scale: ink that stands out less is worth a word
_DRAWING = 100  # pixels a side: what is smaller was drawn so, and not reduced
_HAIR = 2.5  # pixels: strokes thinner than that are smoothed
_SIMILAR = 0.15  # of the digit's ink: another shape with so much is worth a word
_FAINTER = 0.25  # of full ink: what is that strong and goes on from a digit is part of it
_FARTHEST = 1.7  # times its size that a digit may grow so
_WORTH = 0.05  # of its ink that it must gain by that
_AS_WIDE = 0.4  # of its stroke's width that they must be
_SMALLEST = 6  # pixels of ink that a digit has at least

# One picture is read in one thread: the service has as many as it wants.
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
    return replace(
        seen,
        box=_scaled(seen.box, decoded.width / decoded.gray.shape[1], decoded.height / decoded.gray.shape[0]),
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
    ink = find_ink(gray)
    threshold, full = _levels(ink)
    steps: list[Step] = ["flattened"]
    warnings = []
    mask = (ink.strength > threshold).astype(np.uint8)
    if max(gray.shape) > _DRAWING and stroke_width(mask) < _HAIR:
        # Reduced to less than a pixel, a pen's line is dashed: it falls within pixels here and between them there.
        ink = replace(ink, strength=cv2.GaussianBlur(ink.strength, (0, 0), 1).astype(np.float32))
        threshold, full = _levels(ink)
        mask = (ink.strength > threshold).astype(np.uint8)
    mask, ruled = _without_lines(mask)
    if ruled:
        steps.append("unruled")
    if full < _FAINT:
        steps.append("brightened")
        warnings.append("very faint: brightened")
    digit, several, alone = _picked(mask, ink.strength)
    if several:
        steps.append("picked")
        warnings.append("several shapes: the largest was read")
    fainter = max(_floor(ink), _FAINTER * full)
    if (grown := _grown(digit, mask, ink.strength, fainter)) is not None:
        digit, full, threshold = grown, threshold, fainter
        steps.append("grown")
    box = bounds(digit)
    if edges := box.touches(*gray.shape):
        warnings.append(f"may be cut off at the {' and the '.join(edges)} edge: leave a margin")
    # What is fainter than half the threshold is paper; the rest keeps its soft edges.
    strokes = np.clip((ink.strength - np.float32(threshold / 2)) / np.float32(full - threshold / 2), 0, 1)
    strokes = strokes * cv2.dilate(digit, np.ones((3, 3), np.uint8))
    picture, last = lay_out(strokes[box.top : box.bottom, box.left : box.right])
    return Seen(picture[np.newaxis], box, ink.polarity, 0, (*steps, *last), tuple(warnings), alone)


def _without_lines(mask: Mask) -> tuple[Mask, bool]:
    lines = printed_lines(mask)
    return mask & (1 - lines), bool(lines.any())


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
    width = stroke_width(digit)
    edge = 2 * max(1, round(width / 2)) + 1
    inked = np.maximum(digit, (strength > threshold).astype(np.uint8))
    beside = 1 - cv2.dilate(digit, np.ones((edge, edge), np.uint8))
    least = _WORTH * cv2.countNonZero(digit)
    if cv2.countNonZero(inked & beside) < least:
        return None
    _, labels = cv2.connectedComponents(inked, connectivity=8, ltype=cv2.CV_16U)
    mine = np.zeros(int(labels.max()) + 1, dtype=np.uint8)
    mine[labels[digit > 0]] = 1
    grown = mine[labels]
    added = grown & beside
    if cv2.countNonZero(added) < least or stroke_width(added) < _AS_WIDE * width:
        return None
    strong, large = bounds(mask & grown), bounds(grown)
    new_edges = set(large.touches(*digit.shape)) - set(strong.touches(*digit.shape))
    far = max(large.width, large.height) > _FARTHEST * max(strong.width, strong.height)
    return None if far or len(new_edges) > 1 else grown


def _floor(ink: Ink) -> float:
    return max(_FLOOR, _SIGMAS * ink.noise)


def _levels(ink: Ink) -> tuple[float, float]:
    """The strengths above which a pixel is ink, and that full ink has.

    The threshold parts what is above the paper's noise with the largest variance between both parts (Otsu 1979).

    Raises:
        BlankPicture: if nothing is.
    """
    floor, top = _floor(ink), float(ink.strength.max()) + 1e-6
    if top <= floor:
        raise BlankPicture
    counts = cv2.calcHist([ink.strength], [0], None, [64], [floor, top]).ravel()
    middles = floor + (np.arange(64) + 0.5) * (top - floor) / 64
    below = counts.cumsum()
    if below[-1] == 0:
        raise BlankPicture
    above = below[-1] - below
    sums = (counts * middles).cumsum()
    between = below * above * (sums / np.maximum(below, 1) - (sums[-1] - sums) / np.maximum(above, 1)) ** 2
    split = int(between[:-1].argmax())
    inked = counts[split + 1 :].cumsum()
    full = middles[split + 1 :][int(np.searchsorted(inked, 0.9 * inked[-1]).clip(0, len(inked) - 1))]
    return float(floor + (split + 1) * (top - floor) / 64), float(full)


def _scaled(box: Box, across: float, down: float) -> Box:
    left, top = int(box.left * across), int(box.top * down)
    return Box(left, top, round(box.right * across) - left, round(box.bottom * down) - top)
