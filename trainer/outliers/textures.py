"""Textures, patches and blanks: what is left when a picture has no ink, or the paper was taken for ink."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from trainer.layout import SIDE, Bytes, Floats, laid_out
from trainer.outliers.mix import Draw, mixed

Fields = NDArray[np.floating[Any]]

_WIDE = 2 * SIDE  # patches are cut from fields twice as wide, and fitted


def _bytes(fields: Fields) -> Bytes:
    """Fields [N, H, W], each stretched to 0..255."""
    low, high = fields.min(axis=(1, 2), keepdims=True), fields.max(axis=(1, 2), keepdims=True)
    stretched: Bytes = np.rint((fields - low) / np.maximum(high - low, 1e-6) * 255).astype(np.uint8)
    return stretched


def cloud(count: int, generator: Generator, side: int = SIDE, roughness: tuple[float, float] = (0.6, 2.2)) -> Floats:
    """Noise [count, side, side] whose amplitude falls as 1/f^a, as photographs' does; some has a grain."""
    y, x = np.meshgrid(np.fft.fftfreq(side), np.fft.rfftfreq(side), indexing="ij")
    angle, grain = generator.uniform(0, np.pi, (2, count, 1, 1))
    long = np.exp(np.maximum(0, grain - 2))  # a third is drawn out along the angle: fibres, wood, cloth
    cos, sin = np.cos(angle), np.sin(angle)
    frequency = np.hypot((cos * x + sin * y) * long, cos * y - sin * x)
    power = generator.uniform(*roughness, (count, 1, 1))
    spectrum = np.fft.rfft2(generator.normal(size=(count, side, side))) / np.maximum(frequency, 1 / side) ** power
    spectrum[:, 0, 0] = 0
    noise = np.fft.irfft2(spectrum, (side, side))
    clouds: Floats = (noise / noise.std(axis=(1, 2), keepdims=True)).astype(np.float32)
    return clouds


def _coordinates(count: int, generator: Generator, side: int) -> tuple[Floats, Floats]:
    """Places x and y [count, side, side] in pixels, turned and bent."""
    y, x = np.indices((side, side), np.float32)
    angle = generator.uniform(0, np.pi, (count, 1, 1)).astype(np.float32)
    bend = generator.choice([0, 0, 0.8, 2.0], (2, count, 1, 1)) * np.stack([cloud(count, generator, side, (2, 3))] * 2)
    return np.cos(angle) * x + np.sin(angle) * y + bend[0], np.cos(angle) * y - np.sin(angle) * x + bend[1]


def _edges(waves: Fields, generator: Generator) -> Fields:
    """Waves from soft to as sharp as print, of any share of black."""
    shape = (len(waves), 1, 1)
    sharp, level = generator.uniform(0.8, 8, shape), generator.uniform(-0.5, 0.5, shape)
    cut: Fields = np.tanh(sharp * (waves - level))
    return cut


def _stripes(count: int, generator: Generator) -> Fields:
    x, _ = _coordinates(count, generator, SIDE)
    return _edges(np.sin(2 * np.pi * x / generator.uniform(2.5, 14, (count, 1, 1))), generator)


def _checks(count: int, generator: Generator) -> Fields:
    x, y = _coordinates(count, generator, SIDE)
    along, across = 2 * np.pi / generator.uniform(4, 16, (2, count, 1, 1))
    first, second = np.sin(along * x), np.sin(across * y)
    return _edges(np.where(generator.random((count, 1, 1)) < 0.5, first * second, np.maximum(first, second)), generator)


def _gradients(count: int, generator: Generator) -> Fields:
    """Light from one side or from a spot, with some grain."""
    x, y = _coordinates(count, generator, SIDE)
    spot = np.hypot(x - x.mean() + generator.uniform(-12, 12, (count, 1, 1)), y - y.mean())
    light: Fields = np.where(generator.random((count, 1, 1)) < 0.5, x, spot) / SIDE
    return light + generator.uniform(0, 0.3, (count, 1, 1)) * generator.normal(size=light.shape)


def _blocks(count: int, generator: Generator) -> Fields:
    """Blocks of one gray or one wave each, as JPEG leaves them."""
    size = 4
    gray, strength = np.kron(generator.normal(size=(2, count, SIDE // size, SIDE // size)), np.ones((1, 1, size, size)))
    wave = np.cos(np.pi * (np.arange(SIDE) % size + 0.5) / size)
    waves = np.where(generator.random((count, 1, 1)) < 0.5, wave[None, :], wave[:, None])
    blocks: Fields = gray + generator.uniform(0, 1, (count, 1, 1)) * strength * waves
    return blocks


def _dots(count: int, generator: Generator) -> Fields:
    """A lattice of dots, as print has it."""
    x, y = _coordinates(count, generator, SIDE)
    pitch = 2 * np.pi / generator.uniform(4, 11, (count, 1, 1))
    return _edges(np.cos(pitch * x) + np.cos(pitch * y) - 0.6, generator)


def _pixels(count: int, generator: Generator) -> Fields:
    """Noise without any order: gray, or some white pixels on black, or the reverse."""
    share = generator.uniform(0.03, 0.97, (count, 1, 1))
    noise = generator.random((count, SIDE, SIDE))
    return np.where(generator.random((count, 1, 1)) < 0.4, noise, noise < share).astype(np.float32)


def _thresholded(count: int, generator: Generator) -> Fields:
    """Clouds cut into black and white."""
    return _edges(cloud(count, generator, SIDE, (1.0, 2.4)), generator)


def _whole(field: Callable[[int, Generator], Fields]) -> Draw:
    """A field that fills the picture, at any contrast, on black or white; or a 20x20 piece of it where ink would be."""

    def draw(count: int, generator: Generator) -> Bytes:
        fields = _bytes(field(count, generator))
        flipped = np.where(generator.random((count, 1, 1)) < 0.5, fields, 255 - fields)
        faint = np.where(generator.random((count, 1, 1)) < 0.3, generator.uniform(0.2, 1, (count, 1, 1)), 1)
        pictures: Bytes = np.rint(flipped * faint).astype(np.uint8)
        framed = generator.random(count) < 0.4
        inner = np.zeros_like(pictures)
        inner[:, 4:-4, 4:-4] = pictures[:, 4:-4, 4:-4]
        pictures[framed] = inner[framed]
        return pictures

    return draw


textures = mixed(
    [_whole(field) for field in (cloud, _stripes, _checks, _gradients, _blocks, _dots, _pixels, _thresholded)]
)


def patches(count: int, generator: Generator) -> Bytes:
    """The largest ragged shape in a thresholded cloud, filled, shaded or hollow: ground that was taken for ink."""
    fields = cloud(count, generator, _WIDE, (1.1, 2.3))
    level = generator.uniform(0.1, 0.9, (count, 1, 1))
    masks = _largest(fields > level)
    shade = np.where(generator.random((count, 1, 1)) < 0.5, _bytes(np.where(masks, fields - level, 0)), 255)
    inked = np.where(masks, 40 + shade * (215 / 255), 0).astype(np.uint8)
    return laid_out(map(_lying, inked))


def _lying(shape: Bytes) -> Bytes:
    """A narrow shape on its side, since upright it is a 1."""
    height, width = (np.ptp(np.flatnonzero(shape.any(axis=axis))) for axis in (1, 0))
    return shape.T if height > 1.5 * width else shape


def _largest(masks: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The largest connected shape of each mask [N, H, W]: the greatest number spreads through each."""
    count, height, width = masks.shape
    numbers = np.where(masks, 1 + np.arange(height * width).reshape(height, width), 0)
    while True:
        wide = np.pad(numbers, ((0, 0), (1, 1), (1, 1)))
        near = [wide[:, 1:-1, 1:-1], wide[:, :-2, 1:-1], wide[:, 2:, 1:-1], wide[:, 1:-1, :-2], wide[:, 1:-1, 2:]]
        spread = np.where(masks, np.maximum.reduce(near), 0)
        if np.array_equal(spread, numbers):
            break
        numbers = spread
    largest = [np.bincount(number[number > 0]).argmax() for number in numbers]
    shapes: NDArray[np.bool_] = numbers == np.array(largest).reshape(count, 1, 1)
    return shapes


def specks(count: int, generator: Generator) -> Bytes:
    """Almost blank: nothing at all, a faint veil, or a few specks."""
    several = generator.integers(0, 9, count)
    pictures = generator.uniform(0, 40, (count, 1, 1)) * generator.random((count, SIDE, SIDE))
    pictures *= generator.random((count, 1, 1)) < 0.5
    y, x = np.indices((SIDE, SIDE))
    for picture, number in zip(pictures, several, strict=True):
        for row, column, radius, ink in generator.uniform([2, 2, 0.4, 80], [26, 26, 1.6, 255], (number, 4)):
            np.maximum(picture, ink * (radius + 0.5 - np.hypot(y - row, x - column)).clip(0, 1), out=picture)
    return np.rint(pictures).astype(np.uint8)
