"""Corruptions: seeded, and each as strong as it says."""

import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.trainer.conftest import OTHER
from trainer import mnist
from trainer.corrupt import CORRUPTIONS, corrupt

DIGITS = mnist.load(Path(OTHER[1]), other=True).test_pictures
SQUARE = np.zeros((300, 28, 28), np.uint8)
SQUARE[:, 9:19, 9:19] = 255


def _ink(pictures: NDArray[np.uint8]) -> NDArray[np.float64]:
    return np.asarray(pictures.sum((1, 2)) / 255, np.float64)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_seeded(name: str) -> None:
    """The same seed gives the same pictures, of the same shape and type, changed; what is drawn follows the seed."""
    first = corrupt(name, DIGITS)
    assert first.shape == DIGITS.shape
    assert first.dtype == np.uint8
    assert np.array_equal(first, corrupt(name, DIGITS))
    assert (first != DIGITS).any((1, 2)).all()
    drawn = name not in ("thin", "thick", "blur", "contrast", "pixelate")
    assert drawn != np.array_equal(first, corrupt(name, DIGITS, seed=1))


def test_scale() -> None:
    """Ink changes by between 0.7² and 1.3², and nearly that far."""
    ratio = _ink(corrupt("scale", SQUARE)) / 100
    assert 0.7**2 - 0.03 < ratio.min() < 0.55
    assert 1.6 < ratio.max() < 1.3**2 + 0.03


def test_rotation() -> None:
    """A bar turns by up to 20° either way."""
    bar = np.zeros((300, 28, 28), np.uint8)
    bar[:, 13:15, 4:24] = 255
    out = corrupt("rotation", bar)
    y, x = np.mgrid[:28, :28] - 13.5
    angles = [0.5 * math.degrees(math.atan2((2 * x * y * one).sum(), ((x * x - y * y) * one).sum())) for one in out]
    assert 18 < max(angles) < 20.5
    assert -20.5 < min(angles) < -18


def test_shift() -> None:
    """The centre moves by up to 3 pixels on each axis."""
    out = corrupt("shift", SQUARE).astype(float)
    for axis in (1, 2):
        centre = (out.sum(axis) * np.arange(28)).sum(1) / out.sum((1, 2)) - 13.5
        assert 2.8 < centre.max() < 3.05
        assert -3.05 < centre.min() < -2.8


def test_strokes() -> None:
    """A square of ten pixels is nine wide when thinned and twelve when thickened."""
    assert _ink(corrupt("thin", SQUARE))[0] == pytest.approx(81, abs=3)
    assert _ink(corrupt("thick", SQUARE))[0] == pytest.approx(144, abs=3)


def test_blur_and_contrast() -> None:
    """Blurring keeps the ink and takes the edges; low contrast leaves 30 % of it."""
    blurred = corrupt("blur", SQUARE)
    assert _ink(blurred)[0] == pytest.approx(100, rel=0.02)
    assert blurred[0, 8, 14] > 60
    assert _ink(corrupt("contrast", SQUARE))[0] == pytest.approx(30, abs=0.5)


def test_noise_and_impulse() -> None:
    """Noise deviates by a fifth of white around grey; impulses hit 2 % of the pixels each way."""
    grey = np.full((100, 28, 28), 128, np.uint8)
    assert corrupt("noise", grey).std() / 255 == pytest.approx(0.2, rel=0.05)
    hit = corrupt("impulse", grey)
    assert (hit == 0).mean() == pytest.approx(0.02, abs=0.002)
    assert (hit == 255).mean() == pytest.approx(0.02, abs=0.002)


def test_motion() -> None:
    """A dot becomes a line of five dots' length, as bright in all, in whatever direction."""
    dot = np.zeros((300, 28, 28), np.uint8)
    dot[:, 13, 13] = 255
    out = corrupt("motion", dot)
    assert _ink(out) == pytest.approx(1, abs=0.05)
    lengths = [max(np.ptp(np.nonzero(one > 10)[axis]) for axis in (0, 1)) for one in out]
    assert set(lengths) <= {3, 4}
    assert len(np.unique(out, axis=0)) > 200


def test_pixelate() -> None:
    """Each two by two pixels become their mean."""
    out = corrupt("pixelate", DIGITS).astype(float)
    means = DIGITS.astype(float).reshape(-1, 14, 2, 14, 2).mean((2, 4))
    assert np.abs(out - means.repeat(2, 1).repeat(2, 2)).max() <= 0.5


def test_line() -> None:
    """A white line crosses the picture, at most six pixels off its centre; nothing gets darker."""
    out = corrupt("line", np.zeros((300, 28, 28), np.uint8))
    y, x = np.mgrid[:28, :28] - 13.5
    assert (np.hypot(x, y)[None] + 50 * (out < 200)).min((1, 2)).max() < 7
    assert (np.hypot(x, y)[None] * (out > 0)).max((1, 2)).min() > 13
    assert (corrupt("line", DIGITS) >= DIGITS).all()
