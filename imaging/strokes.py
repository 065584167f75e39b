"""Brightness becomes strokes: which pixels are ink, printed lines taken out, and how strong they are."""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from imaging.errors import BlankPicture
from imaging.ground import Ink, Polarity, find_ink
from imaging.shapes import Mask, bounds, printed_lines, stroke_width
from imaging.steps import Step
from registry.rules import Floats

_FLOOR = 0.025  # of full scale: what stands out less is nothing
_SIGMAS = 4.5  # of the paper's noise: as above
_NEARLY = 0.75  # of full ink: what is that strong is ink
_FAINT = 0.15  # of full scale: ink that stands out less is worth a word
_DRAWING = 100  # pixels a side: what is smaller was drawn so, and not reduced
_MIDDLES = (np.arange(64) + 0.5) / 64  # of the bins that strengths are counted in
_AROUND = np.ones((3, 3), np.uint8)
_HAIR = 2.5  # pixels: strokes thinner than that are smoothed


@dataclass(frozen=True)
class Strokes:
    """The pixels [H, W] that are ink, and how far all stand out from the ground, 0..1 of full scale.

    `threshold` is the least strength of ink, `full` its usual one, `floor` the least that is no noise.
    """

    mask: Mask
    strength: Floats
    polarity: Polarity
    floor: float
    threshold: float
    full: float
    steps: tuple[Step, ...]
    warnings: tuple[str, ...]


def find_strokes(gray: Floats) -> Strokes:
    """Find the ink in brightness [H, W].

    Raises:
        BlankPicture: if none stands out from the ground.
    """
    ink = find_ink(gray)
    threshold, full = _levels(ink)
    steps: list[Step] = ["flattened"]
    warnings = []
    mask = (ink.strength > threshold).view(np.uint8)
    if max(gray.shape) > _DRAWING and is_hair(mask):
        # Reduced to less than a pixel, a pen's line is dashed: it falls within pixels here and between them there.
        ink = replace(ink, strength=cv2.GaussianBlur(ink.strength, (0, 0), 1).astype(np.float32))
        threshold, full = _levels(ink)
        mask = (ink.strength > threshold).view(np.uint8)
    lines = printed_lines(mask)
    if lines.any():
        mask = mask & (1 - lines)
        steps.append("unruled")
    if full < _FAINT:
        steps.append("brightened")
        warnings.append("very faint: brightened")
    return Strokes(mask, ink.strength, ink.polarity, _floor(ink), threshold, full, tuple(steps), tuple(warnings))


def whitened(strength: Floats, threshold: float, full: float) -> Floats:
    """Strength [H, W] as white ink in 0..1: what is fainter than half the threshold is paper, the rest stays soft."""
    white = strength - np.float32(threshold / 2)
    white /= np.float32(full - threshold / 2)
    return np.clip(white, 0, 1, out=white)


def is_hair(mask: Mask) -> bool:
    """Whether the strokes of a mask [H, W], which has some, are thinner than 2.5 pixels."""
    inked = mask[bounds(mask).slices]
    within = cv2.erode(inked, _AROUND, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    # Where half of all ink has ink all around it, strokes are wider, and need not be measured.
    return 2 * cv2.countNonZero(within) <= cv2.countNonZero(inked) and stroke_width(inked) < _HAIR


def _floor(ink: Ink) -> float:
    return max(_FLOOR, _SIGMAS * ink.noise)


def _levels(ink: Ink) -> tuple[float, float]:
    """The strengths above which a pixel is ink, and that full ink has.

    The threshold parts what is above the paper's noise with the largest variance between both parts (Otsu 1979), but
    not what is all ink, nearly as strong as each other's.

    Raises:
        BlankPicture: if nothing is.
    """
    floor = _floor(ink)
    above_floor = ink.strength[ink.strength >= floor]  # a picture is paper mostly
    if not above_floor.size:
        raise BlankPicture
    top = float(above_floor.max()) + 1e-6
    counts = cv2.calcHist([above_floor], [0], None, [64], [floor, top]).ravel()
    middles = floor + _MIDDLES * (top - floor)
    below = counts.cumsum()
    if below[-1] == 0:
        raise BlankPicture
    above = below[-1] - below
    sums = (counts * middles).cumsum()
    between = below * above * (sums / np.maximum(below, 1) - (sums[-1] - sums) / np.maximum(above, 1)) ** 2
    split = int(between[:-1].argmax())
    inked = counts[split + 1 :].cumsum()
    full = middles[split + 1 :][min(int(np.searchsorted(inked, 0.9 * inked[-1])), len(inked) - 1)]
    return min(float(floor + (split + 1) * (top - floor) / 64), _NEARLY * float(full)), float(full)
