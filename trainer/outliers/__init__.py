"""Pictures that are not one digit, of as many kinds as can be drawn: what a gate learns to refuse.

They are laid out as MNIST's digits are, as the service's imaging lays out whatever it is sent. No kind holds what a
person would read as a digit: `sheet` shows them, to be looked at after every change.
"""

import numpy as np

from trainer import canvas
from trainer.layout import SIDE, Bytes
from trainer.outliers import doodles, handwritten, invented, objects, rendered, spoilt, textures
from trainer.outliers.mix import Draw
from trainer.outliers.spoilt import Digits, Make

# Each kind's share, relative, and what draws it. Letters have the most: they are what a digit is taken for.
_ALONE: dict[str, tuple[float, Draw]] = {
    "letters": (22, handwritten.latin),
    "Greek and Cyrillic letters": (15, handwritten.greek_cyrillic),
    "symbols": (11, handwritten.symbols),
    "invented letters": (9, invented.letters),
    "drawings": (4, handwritten.drawings),
    "rendered letters": (16, rendered.letters),
    "rendered symbols": (6, rendered.symbols),
    "rendered words": (2, rendered.words),
    "curves": (4, doodles.curves),
    "scribbles": (4, doodles.scribbles),
    "figures": (4, doodles.figures),
    "clothes": (5, objects.clothes),
    "things": (5, objects.things),
    "blobs": (1, objects.blobs),
    "textures": (4, textures.textures),
    "patches": (2, textures.patches),
    "specks": (1, textures.specks),
}
_OF_DIGITS: dict[str, tuple[float, Make]] = {
    "strips": (6, spoilt.strips),
    "parts": (2, spoilt.parts),
    "heaps": (2, spoilt.heaps),
    "crossed out": (2, spoilt.crossed_out),
    "turned": (2, spoilt.turned),
}
KINDS = (*_ALONE, *_OF_DIGITS)  # names


def draw(count: int, seed: int, digits: Bytes, labels: Bytes) -> tuple[Bytes, Bytes]:
    """Draw outliers, of each kind its share to within one, in random order.

    Args:
        count: how many.
        seed: decides them to the bit, with the digits.
        digits: pictures [N, 28, 28], white ink on black, of all ten labels: what strips and parts are made of.
        labels: of the digits, [N].

    Returns:
        Pictures [count, 28, 28], white on black, and the index of each into KINDS [count].
    """
    generator = np.random.default_rng(seed)
    draws = _draws(Digits(digits, labels))
    ends = np.cumsum([share for share, _ in draws.values()])
    places = (np.arange(count) + 0.5) / max(count, 1) * ends[-1]
    kinds = generator.permutation(np.searchsorted(ends, places)).astype(np.uint8)
    pictures = np.empty((count, SIDE, SIDE), np.uint8)
    for kind, (_, draw_kind) in enumerate(draws.values()):
        where = np.flatnonzero(kinds == kind)
        pictures[where] = draw_kind(len(where), generator)
    return pictures, kinds


def sheet(seed: int, digits: Bytes, labels: Bytes, columns: int = 16) -> bytes:
    """Each kind drawn so many times, in a row of its own, as a PNG."""
    generator = np.random.default_rng(seed)
    draws = _draws(Digits(digits, labels))
    return canvas.rows(
        "Outliers by kind", {name: draw_kind(columns, generator) for name, (_, draw_kind) in draws.items()}
    )


def _draws(digits: Digits) -> dict[str, tuple[float, Draw]]:
    """Every kind's share and what draws it, by name in the order of KINDS."""
    return _ALONE | {name: (share, _made_of(digits, make)) for name, (share, make) in _OF_DIGITS.items()}


def _made_of(digits: Digits, make: Make) -> Draw:
    return lambda count, generator: make(count, generator, digits)
