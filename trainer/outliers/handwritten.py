"""Letters, symbols and small drawings, written by the pen that draws digits in `trainer.strokes`."""

from functools import partial

from numpy.random import Generator

from trainer import pen
from trainer.layout import Bytes
from trainer.outliers import alphabet
from trainer.outliers.mix import Draw, mixed


def _written(forms: tuple[tuple[str, ...], ...], hand: pen.Hand) -> Draw:
    return mixed([partial(_write, form, hand) for form in forms])


def _write(form: tuple[str, ...], hand: pen.Hand, count: int, generator: Generator) -> Bytes:
    return pen.write(form, count, generator, hand)


latin = _written(alphabet.LATIN, alphabet.HAND)
greek_cyrillic = _written(alphabet.GREEK_CYRILLIC, alphabet.HAND)
symbols = _written(alphabet.SYMBOLS, alphabet.HAND)
drawings = _written(alphabet.DRAWINGS, alphabet.THIN)
