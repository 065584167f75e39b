"""Layout: any shape as MNIST would hold it."""

import numpy as np
import pytest

from trainer.layout import centred, fitted, laid_out


def test_fitted() -> None:
    """The longer side of the ink, not of the picture, becomes 20 pixels, and the shorter keeps its proportion."""
    shape = np.zeros((100, 90), np.uint8)
    shape[20:60, 30:50] = 255
    ink = fitted(shape)
    assert ink.shape == (20, 20)
    assert ink.sum() == pytest.approx(20 * 10)
    assert np.flatnonzero(ink.any(axis=0)).tolist() == list(range(5, 15))


def test_nothing_to_fit() -> None:
    """A picture without ink is refused."""
    with pytest.raises(ValueError, match="no ink"):
        fitted(np.zeros((28, 28), np.uint8))


def test_centred() -> None:
    """The centre of mass is moved to (14, 14), by whole pixels and only as far as the ink has room."""
    ink = np.zeros((2, 20, 20), np.float32)
    ink[0, 2:5, 3:6] = 1
    ink[1, 9:12, 9:12] = 1
    pictures = centred(ink)
    assert pictures[0, 10:13, 11:14].min() == 255
    assert pictures[1, 13:16, 13:16].min() == 255
    assert pictures.sum() == 2 * 9 * 255


def test_none() -> None:
    """No shapes make no pictures."""
    assert laid_out([]).shape == (0, 28, 28)
