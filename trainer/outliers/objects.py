"""Silhouettes: clothes and things, each of a few filled outlines in grays of their own, with folds and patterns."""

from functools import partial
from itertools import pairwise

import numpy as np
from numpy.random import Generator

from trainer import pen
from trainer.layout import SIDE, Bytes, Floats, laid_out
from trainer.outliers.mix import Draw, mixed
from trainer.outliers.textures import cloud

_SCALE = 4  # outlines are filled at so many times the picture's size
_HAND = pen.Hand(jitter=4.0, rotation=8.0, slant=(-8.0, 8.0), stretch=0.25)

_CLOTHES = (
    ("30,0 40,6 60,6 70,0! 100,18! 90,40! 76,32! 78,100! 22,100! 24,32! 10,40! 0,18! 30,0",),  # T-shirt
    ("32,0 50,8 68,0! 84,10! 100,92! 84,96! 74,36! 76,100! 24,100! 26,36! 16,96! 0,92! 16,10! 32,0",),  # pullover
    (
        "34,0 50,10! 66,0! 86,12! 98,90! 84,92! 76,40! 80,104! 52,104! 50,20! 48,104! 20,104! 24,40! "
        "16,92! 2,90! 14,12! 34,0",
    ),
    ("40,0 60,0! 62,16! 56,36 60,50 80,100! 20,100! 40,50 44,36 38,16! 40,0",),  # dress
    ("38,0 44,10! 56,10! 62,0! 66,30! 60,44! 70,100! 30,100! 40,44! 34,30! 38,0",),
    ("28,0 72,0! 80,100! 58,100! 50,28! 42,100! 20,100! 28,0",),  # trousers
    ("20,0 80,0! 92,56! 56,60! 50,24! 44,60! 8,56! 20,0",),  # shorts
    ("34,0 66,0! 92,60! 8,60! 34,0",),  # skirt
    ("10,30 90,30! 100,96! 0,96! 10,30", "26,32 30,4 50,-4 70,4 74,32! 66,32! 62,12 50,6 38,12 34,32! 26,32"),  # bags
    (
        "0,20 100,20! 96,84! 4,84! 0,20",
        "0,20 100,20! 50,56! 0,20",
        "30,20 34,8 66,8 70,20! 64,20! 60,14 40,14 36,20! 30,20",
    ),
    ("0,30 30,24! 50,44 90,54 110,66 112,78! 0,78! 0,30", "0,78 112,78! 112,86! 0,86! 0,78"),  # sneaker
    ("0,20 16,30! 40,28 66,50 104,58 110,70! 0,70! 0,20", "14,44 60,46! 60,52! 14,50! 14,44"),
    ("20,0 58,0! 56,50 90,62 104,80! 104,90! 16,90! 20,0", "16,90 104,90! 104,98! 16,98! 16,90"),  # boots
    ("30,0 58,0! 56,64 88,74 94,92! 52,92! 48,86! 44,98! 30,98! 30,0",),
    ("0,0 20,20 60,60 110,66! 110,72! 50,70! 14,30! 14,72! 8,72! 0,0", "56,60 76,30! 84,34! 70,66! 56,60"),  # sandals
    ("0,60 110,56! 112,70! 0,72! 0,60", "10,60 30,16! 42,16! 30,60! 10,60", "60,58 70,30! 96,30! 104,58! 60,58"),
    ("0,50 16,10 50,0 84,10 96,48! 130,54 126,62! 0,58! 0,50",),  # cap
    ("20,0 52,0! 54,56 94,70 96,92 40,94 18,76! 20,0", "20,0 52,0! 52,14! 20,14! 20,0"),  # sock
)
_THINGS = (
    (
        "38,0 62,0! 62,26! 78,44 80,60! 80,120! 20,120! 20,60 22,44 38,26! 38,0",
        "20,66 80,66! 80,98! 20,98! 20,66",
    ),  # bottle
    ("20,0 80,0! 70,46 56,56! 56,86! 76,94! 76,100! 24,100! 24,94! 44,86! 44,56 30,46! 20,0",),  # glass
    ("0,0 70,0! 62,80! 8,80! 0,0", "68,14 94,18 90,54 64,58! 66,48! 80,46 82,26 68,24! 68,14"),  # cup
    ("50,0 80,30 84,60 50,100 16,60 20,30 50,0", "48,90 52,90! 54,130! 48,130! 48,90"),  # leaf
    ("50,16 30,4 6,20 4,60 30,98 50,94 70,98 96,60 94,20 70,4 50,16", "48,18 56,-6! 62,-4! 54,18! 48,18"),  # apple
    ("0,44 20,8 74,2 100,30! 124,6! 120,60! 98,40! 70,66 20,64 0,44",),  # fish
    (
        "0,50 22,46! 40,16! 90,16! 108,46! 126,52! 126,74! 0,74! 0,50",
        "18,74 30,62 42,74 30,86 18,74",
        "84,74 96,62 108,74 96,86 84,74",
    ),  # car
    ("0,44 50,0! 100,44! 86,44! 86,100! 14,100! 14,44! 0,44", "40,100 40,66! 60,66! 60,100! 40,100"),  # house
    ("44,60 56,60! 58,110! 42,110! 44,60", "50,0 20,10 4,36 20,64 50,70 80,64 96,36 80,10 50,0"),  # tree
    ("50,0 84,50! 66,50! 98,96! 2,96! 34,50! 16,50! 50,0", "42,96 58,96! 58,114! 42,114! 42,96"),
    (
        "10,10 0,30 10,50 34,50 44,36! 110,36! 110,56! 100,56! 100,44! 90,44! 90,52! 80,52! 80,26! 44,26! 34,10 10,10",
    ),  # key
    ("0,20 100,20! 100,32! 92,32! 92,90! 82,90! 82,32! 18,32! 18,90! 8,90! 8,32! 0,32! 0,20",),  # table
    ("20,0 32,0! 32,46! 78,46! 78,100! 68,100! 68,58! 32,58! 32,100! 20,100! 20,0",),  # chair
    ("50,0 30,8 24,30 30,46! 0,66! 0,110! 100,110! 100,66! 70,46! 76,30 70,8 50,0",),  # bust
    (
        "36,20 18,16 4,40! 20,46 30,60 20,90! 34,92! 44,66 90,64! 96,94! 110,94! 108,50 "
        "120,30! 112,26 96,44 54,42 36,20",
    ),  # dog
    ("30,30 24,0! 44,16! 64,16! 84,0! 78,30 84,60 54,76 24,60 30,30",),  # cat
    ("0,40 30,34! 60,0! 72,0! 58,36 100,36! 112,20! 120,20! 114,46 58,52! 70,90! 58,90! 30,50 0,40",),  # plane
    (
        "50,34 20,0 0,20 12,50 44,56! 20,70 24,96 48,80! 50,100! 54,80! 78,96 80,70 56,56! 90,50 100,20 80,0 50,34",
    ),  # butterfly
    (
        "0,0 100,0! 100,70! 0,70! 0,0",
        "10,10 90,10! 90,60! 10,60! 10,10",
        "40,70 60,70! 66,88! 34,88! 40,70",
    ),  # screen
    ("0,20 30,20! 38,4! 64,4! 72,20! 104,20! 104,84! 0,84! 0,20", "52,34 34,50 52,70 70,50 52,34"),  # camera
    ("0,50 14,16 50,0 86,16 100,50! 54,46! 56,96 42,104 36,92! 44,92! 46,46! 0,50",),  # umbrella
    ("0,30 60,30! 60,18! 100,44! 60,70! 60,58! 0,58! 0,30",),  # arrow
    ("50,20 30,0 4,14 8,50 50,98! 92,50 96,14 70,0 50,20",),  # heart
    ("50,0 62,36! 100,38! 70,60! 82,98! 50,76! 18,98! 30,60! 0,38! 38,36! 50,0",),  # star
    ("60,0 8,20 0,60 30,96 80,90! 40,76 30,40 60,0",),  # crescent
    ("0,10 100,0! 96,90! 8,100! 0,10",),  # card
    ("0,0 120,6! 116,40! 4,36! 0,0",),
    (
        "20,60 10,20! 24,20! 32,50! 34,0! 46,0! 48,46! 56,2! 68,4! 64,50! 78,20! 90,26! 78,80 60,110 36,110 20,60",
    ),  # hand
)


def _drawn(outlines: tuple[str, ...], count: int, generator: Generator) -> Bytes:
    """One thing, so many times: mostly where ink would be, else filling the picture as photographs of clothes do."""
    paths = pen.path(outlines)
    lines = paths.basis @ pen.jitter(paths.points, count, generator, _HAND)
    ends = np.cumsum([0, *(len(pen.path((outline,)).basis) for outline in outlines)]).tolist()
    shading = _shading(count, generator)
    shapes = [_filled(line, ends, shade, generator) for line, shade in zip(lines, shading, strict=True)]
    pictures = laid_out(shapes)
    full = np.flatnonzero(generator.random(count) < 0.3)
    for index in full:
        pictures[index] = _shrunk(shapes[index])
    return pictures


def _shading(count: int, generator: Generator) -> Floats:
    """Brightness [count, 112, 112] about one: cloth's folds, or light, or nothing; some with a print of stripes."""
    side = SIDE * _SCALE
    folds = np.kron(cloud(count, generator, SIDE, (1.2, 2.4)), np.ones((1, _SCALE, _SCALE)))
    strength = generator.choice([0, 0.12, 0.25, 0.4], (count, 1, 1))
    place = np.arange(side) / side * generator.uniform(3, 12, (count, 1))
    stripes = np.where(np.sin(2 * np.pi * place) > 0, 0, generator.uniform(0.2, 0.7, (count, 1)))
    stripes *= generator.random((count, 1)) < 0.2
    print_ = np.where(generator.random((count, 1, 1)) < 0.5, stripes[:, :, None], stripes[:, None, :])
    shading: Floats = ((1 + strength * folds) * (1 - print_)).astype(np.float32)
    return shading


def _filled(line: Floats, ends: list[int], shade: Floats, generator: Generator) -> Bytes:
    """Outlines [S, 2], each from one end to the next, filled one over another: [112, 112]."""
    from PIL import Image, ImageDraw

    low, high = line.min(axis=0), line.max(axis=0)
    placed = (line - (low + high) / 2) * (0.96 * SIDE * _SCALE / (high - low).max()) + SIDE * _SCALE / 2
    sheet = Image.new("L", (SIDE * _SCALE, SIDE * _SCALE))
    draw = ImageDraw.Draw(sheet)
    gray = min(255.0, generator.uniform(110, 400))  # half are as black as ink
    seam = generator.random() < 0.5
    for first, last in pairwise(ends):
        outline = [tuple(point) for point in placed[first:last].tolist()]
        draw.polygon(outline, round(gray))
        if seam:
            draw.line([*outline, outline[0]], round(gray * 0.6), 3)
        gray = generator.uniform(60, 255)
    filled: Bytes = np.rint(np.asarray(sheet) * shade).clip(0, 255).astype(np.uint8)
    return filled


def _shrunk(shape: Bytes) -> Bytes:
    """Means of squares of pixels: [112, 112] to [28, 28]."""
    shrunk: Bytes = np.rint(shape.reshape(SIDE, _SCALE, SIDE, _SCALE).mean(axis=(1, 3))).astype(np.uint8)
    return shrunk


def _some(outlines: tuple[tuple[str, ...], ...]) -> Draw:
    return mixed([partial(_drawn, thing) for thing in outlines])


clothes = _some(_CLOTHES)
things = _some(_THINGS)


def blobs(count: int, generator: Generator) -> Bytes:
    """Smooth closed outlines of many bulges, filled: not as narrow as a 1."""
    angle = np.linspace(0, 2 * np.pi, 48)
    orders = np.arange(3, 8)[:, None, None]  # of the second order it would be a rod
    bulges = generator.normal(size=(5, count, 1)) * np.cos(orders * angle + generator.uniform(0, 6.3, (5, count, 1)))
    radius = 50 * np.exp(generator.uniform(0.05, 0.35, (count, 1)) * bulges.sum(axis=0) / 1.5)
    narrow = generator.uniform(0.7, 1, (count, 1))
    lines = np.stack([narrow * radius * np.cos(angle), radius * np.sin(angle)], axis=2).astype(np.float32)
    return laid_out(
        _filled(line, [0, 48], shade, generator) for line, shade in zip(lines, _shading(count, generator), strict=True)
    )
