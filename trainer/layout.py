"""MNIST's own layout: ink fitted into 20x20 pixels, its centre of mass in the middle of 28x28."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]

SIDE, FIT = 28, 20  # pixels: the picture's, and of the box that the ink fills
_FAINT = 24  # of 255: what is below is no ink when the box is sought


def fitted(shape: Bytes) -> Floats:
    """A shape [H, W], white ink on black, cropped to its ink and fitted in ink [20, 20] in 0..1.

    Raises:
        ValueError: if there is no ink.
    """
    from PIL import Image

    rows, columns = (np.flatnonzero(shape.max(axis=axis) > _FAINT) for axis in (1, 0))
    if not len(rows):
        raise ValueError("no ink to fit")
    crop = shape[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = FIT / max(crop.shape)
    height, width = (max(1, round(side * scale)) for side in crop.shape)
    # Bicubic is antialiased where Pillow shrinks.
    small = np.asarray(Image.fromarray(crop).resize((width, height), Image.Resampling.BICUBIC), np.float32)
    ink = np.zeros((FIT, FIT), np.float32)
    top, left = (FIT - height) // 2, (FIT - width) // 2
    ink[top : top + height, left : left + width] = small / 255
    return ink


def laid_out(shapes: Iterable[Bytes]) -> Bytes:
    """Shapes, each [H, W] of its own size with some ink, as MNIST would hold them: [N, 28, 28]."""
    ink = [fitted(shape) for shape in shapes]
    return centred(np.stack(ink)) if ink else np.empty((0, SIDE, SIDE), np.uint8)


def centred(ink: Floats) -> Bytes:
    """Ink [N, 20, 20] in pictures [N, 28, 28], moved by whole pixels until its centre of mass is at (14, 14)."""
    places = np.arange(FIT)
    total = ink.sum(axis=(1, 2))
    centres = np.stack([ink.sum(axis=2) @ places, ink.sum(axis=1) @ places]) / total
    down, right = np.rint(SIDE / 2 - centres).astype(np.int64).clip(0, SIDE - FIT)
    pictures = np.zeros((len(ink), SIDE, SIDE), np.uint8)
    rows, columns = down[:, None] + places, right[:, None] + places
    pictures[np.arange(len(ink))[:, None, None], rows[:, :, None], columns[:, None, :]] = np.rint(ink * 255)
    return pictures
