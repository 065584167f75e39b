"""Strokes become the 28x28 that MNIST would have held.

MNIST's own protocol (LeCun et al. 1998): fitted in 20x20 with the proportions kept, by antialiasing, and the centre of
mass in the centre of 28x28.
"""

import cv2
import numpy as np

from imaging.shapes import stroke_width
from imaging.steps import Step
from registry.rules import Floats

SIDE = 28
FIT = 20
_DETAIL = 4  # pixels for each of MNIST's at which stroke widths are set
_BARELY = 0.02  # of white: less is not ink
_THIN, _THICK = 1.65, 4.25  # MNIST's own pixels: strokes are brought within


def is_mnist(gray: Floats) -> bool:
    """Whether it is 28x28 on black, its centre of mass in the centre to within half a pixel, as MNIST's all are."""
    if gray.shape != (SIDE, SIDE) or gray.max() < 0.5:
        return False
    frame = np.concatenate([gray[0], gray[-1], gray[:, 0], gray[:, -1]])
    if np.count_nonzero(frame) > len(frame) // 4:  # a few strokes reach the edge once they are centred
        return False
    return max(abs(shift) for shift in _shift_to_centre(gray)) <= 0.51


def lay_out(strokes: Floats) -> tuple[Floats, tuple[Step, ...]]:
    """The 28x28 of strokes [H, W] in 0..1 that fill their box, and the names of the steps taken."""
    large = _resized(strokes, FIT * _DETAIL)
    large, steps = _with_usual_width(large)
    fitted = _resized(large, FIT)
    # A thin pen's stroke is spread over whole pixels by the fit and comes out gray: MNIST's ink is white.
    inked = np.sort(fitted[fitted > _BARELY])
    white = inked[int(0.95 * (inked.size - 1))] if inked.size else 1.0
    canvas = np.zeros((SIDE, SIDE), dtype=np.float32)
    height, width = fitted.shape
    top, left = (SIDE - height) // 2, (SIDE - width) // 2
    canvas[top : top + height, left : left + width] = np.minimum(fitted / np.float32(white), 1)
    down, right = _shift_to_centre(canvas)
    return _shifted(canvas, round(down), round(right)), (*steps, "fitted", "centred")


def _resized(picture: Floats, side: int) -> Floats:
    """A picture [H, W] with its longer side made `side` pixels."""
    scale = side / max(picture.shape)
    size = max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    resized = np.asarray(cv2.resize(picture, size, interpolation=method), dtype=np.float32)
    return resized if scale < 1 else np.minimum(np.maximum(resized, 0), 1)  # cubes may go beyond


def _with_usual_width(large: Floats) -> tuple[Floats, tuple[Step, ...]]:
    """Strokes at 80 pixels a side, thickened or thinned to a width that MNIST's have."""
    width = stroke_width((large > 0.5 * large.max()).astype(np.uint8)) / _DETAIL
    if width < _THIN:
        more = max(1, round((_THIN - width) * _DETAIL / 2))
        return np.asarray(cv2.dilate(np.pad(large, more), _disc(more)), dtype=np.float32), ("thickened",)
    if width > _THICK:
        less = max(1, round((width - _THICK) * _DETAIL / 2))
        return np.asarray(cv2.erode(large, _disc(less), borderValue=0), dtype=np.float32), ("thinned",)
    return large, ()


def _disc(radius: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1)), dtype=np.uint8)


def _shift_to_centre(picture: Floats) -> tuple[float, float]:
    """Pixels down and right by which the centre of mass of a picture [28, 28] misses the centre."""
    moments = cv2.moments(picture)
    # MNIST's own mean lies at 14, half a pixel off the geometric centre of 28 pixels.
    return SIDE / 2 - moments["m01"] / moments["m00"], SIDE / 2 - moments["m10"] / moments["m00"]


def _shifted(picture: Floats, down: int, right: int) -> Floats:
    """Move a picture [28, 28], black coming in; ink may leave only where it would not fit."""
    moved = np.zeros_like(picture)
    source = picture[max(0, -down) : SIDE - max(0, down), max(0, -right) : SIDE - max(0, right)]
    moved[max(0, down) : max(0, down) + source.shape[0], max(0, right) : max(0, right) + source.shape[1]] = source
    return moved
