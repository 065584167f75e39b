"""Brightness becomes ink: how far each pixel stands out from the paper beneath it."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from registry.rules import Floats

Polarity = Literal["dark on light", "light on dark"]

_SIDE = 80  # pixels at which the ground is estimated: it varies slowly
_REACHES = (0.3, 0.2, 0.1)  # of full scale: what is nearer than that to the surface is paper, ever closer
_EVEN = 0.01  # of full scale: paper that varies less is even
_RIDGE = np.float32(1e-4) * np.eye(6, dtype=np.float32)  # what keeps the fit from being undetermined
_MOSTLY = 0.5  # of a picture, for its paper to be called so
_BROAD = 0.33  # of the picture's side: broader than any stroke
_SMALL = 2000  # pixels, of a picture that is drawn and not reduced
_GRAINY = 10.0  # times its noise that ink stands out at least, or the picture is smoothed
_SMOOTHINGS = 2


@dataclass(frozen=True)
class Ink:
    """How far pixels [H, W] stand out from the ground, 0..1 of full scale, on the side that ink is on.

    `noise` is the standard deviation of what the paper itself varies by.
    """

    strength: Floats
    polarity: Polarity
    noise: float


def find_ink(gray: Floats) -> Ink:
    """Take the ground away from brightness [H, W]; what is left on the heavier side is ink."""
    height, width = gray.shape
    scale = min(1.0, _SIDE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    levels = np.asarray(cv2.resize(gray, size, interpolation=cv2.INTER_AREA), dtype=np.float32) if scale < 1 else gray
    surface = _surface(levels)
    difference = levels - surface
    # Ink covers little of a picture and differs much: the side with the heavier tail is the ink's.
    dark = float(np.vdot(difference * difference, difference)) <= 0
    if scale < 1:
        surface = surface + _shading(difference, dark=dark)
        surface = np.asarray(cv2.resize(surface, (width, height), interpolation=cv2.INTER_LINEAR), dtype=np.float32)
    strength = np.subtract(surface, gray, out=surface) if dark else np.subtract(gray, surface, out=surface)
    noise = _noise(strength)
    for _ in range(_SMOOTHINGS):
        if noise * _GRAINY < float(strength.max()):
            break
        spread = max(0.6, max(height, width) / 200)
        strength = np.asarray(cv2.GaussianBlur(strength, (0, 0), spread), dtype=np.float32)
        noise = _noise(strength)
    _, inked = cv2.threshold(strength, 0, 0, cv2.THRESH_TOZERO, dst=strength)
    return Ink(np.asarray(inked, dtype=np.float32), "dark on light" if dark else "light on dark", noise)


def _noise(strength: Floats) -> float:
    """The standard deviation of what is paper in a signed difference [H, W], from the quarter that differs least."""
    step = max(1, max(strength.shape) // 100)
    return _quarter(np.abs(strength[::step, ::step])) / 0.3186


def _quarter(values: Floats) -> float:
    """The value that a quarter of some [H, W] lie below."""
    place = values.size // 4
    # Most of a small drawing's are equal: a partition then takes eight times a sort's time, of a photo's half of it.
    ordered = np.sort(values, axis=None) if values.size < _SMALL else np.partition(values, place, axis=None)
    return float(ordered[place])


def _shading(difference: Floats, *, dark: bool) -> Floats:
    """What of a difference [H, W] from the surface is light and shadow: what is too broad for a stroke.

    A closing fills dark strokes, an opening light ones, and both keep the edges of shadows where they are.
    """
    kernel = np.ones((round(_BROAD * _SIDE),) * 2, np.uint8)
    smooth = cv2.blur(difference, (3, 3))
    filled = cv2.morphologyEx(smooth, cv2.MORPH_CLOSE if dark else cv2.MORPH_OPEN, kernel)
    # Noise makes the filled ground too light, or too dark: as far as paper, most of a picture, lies off it.
    bias = _quarter(np.abs(filled - difference))
    return np.asarray(filled - bias if dark else filled + bias, dtype=np.float32)


def _surface(levels: Floats) -> Floats:
    """The brightness [H, W] of even paper, or of paper that light falls off across: a quadratic surface.

    It begins at the frame's most usual brightness and is fitted, by least squares, to what is near it, ever closer.
    """
    values = levels.ravel()
    start = _usual(levels)
    if values.size < _SIDE * _SIDE // 4:  # a drawing, and no photo reduced
        even = values[np.abs(values - start) < _EVEN]
        if even.size > _MOSTLY * values.size:
            return np.full(levels.shape, even.mean(), dtype=np.float32)
    surface = np.full(levels.size, start, dtype=np.float32)
    terms = _quadratic(levels.shape)
    for reach in _REACHES:
        close = (np.abs(values - surface) < reach).astype(np.float32)
        if close.sum() < max(_SIDE, 0.1 * levels.size):
            break
        weighted = terms * close[:, np.newaxis]
        normal = weighted.T @ terms + _RIDGE
        surface = np.asarray(terms @ np.linalg.solve(normal, weighted.T @ values), dtype=np.float32)
    return surface.reshape(levels.shape)


def _usual(levels: Floats) -> float:
    """The brightness that a picture's frame [H, W] usually has, even where a digit takes half of it.

    That is the frame's median, or, where hardly anything is as bright as that, what frame and picture have most of.
    """
    frame = np.concatenate([levels[0], levels[-1], levels[:, 0], levels[:, -1]])
    median = float(np.sort(frame)[frame.size // 2])
    shares = np.convolve(_shares(frame) + _shares(levels), (0.5, 1, 0.5), "same")
    best = int(shares.argmax())
    if shares[int(median * 15.99)] > 0.5 * shares[best]:
        return median
    near = frame[np.abs(frame - (best + 0.5) / 16) < 0.1]
    return float(near.mean()) if near.size else (best + 0.5) / 16


def _shares(values: Floats) -> NDArray[np.float64]:
    """How much [16] of some brightnesses lies in each sixteenth of full scale."""
    return np.bincount((values * 15.99).astype(np.intp).ravel(), minlength=16) / values.size


@lru_cache(maxsize=16)
def _quadratic(shape: tuple[int, int]) -> Floats:
    """The terms 1, x, y, xx, xy, yy [H * W, 6] of a surface over a picture, x and y in -1..1."""
    rows, columns = np.meshgrid(np.linspace(-1, 1, shape[0]), np.linspace(-1, 1, shape[1]), indexing="ij")
    x, y = columns.ravel(), rows.ravel()
    return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=1, dtype=np.float32)
