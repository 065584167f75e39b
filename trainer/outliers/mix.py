"""A kind that has several ways of being drawn."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.random import Generator

from trainer.layout import SIDE, Bytes

Draw = Callable[[int, Generator], Bytes]  # so many pictures [N, 28, 28]


def mixed(draws: Sequence[Draw]) -> Draw:
    """One that draws each picture in one of several ways, all alike likely."""

    def draw(count: int, generator: Generator) -> Bytes:
        chosen = generator.integers(len(draws), size=count)
        pictures = np.empty((count, SIDE, SIDE), np.uint8)
        for index in np.unique(chosen):
            where = np.flatnonzero(chosen == index)
            pictures[where] = draws[index](len(where), generator)
        return pictures

    return draw
