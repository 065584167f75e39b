"""A store of feedback for tests, filled without a service."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from registry.feedback import Answer, Store, Vote
from trainer import pen

# A writer's sevens: a long serif, a wide foot as a 2 has one, leaning to the left.
_STROKES = ("0,36 4,0! 54,0! 22,100", "4,100 70,97")
_HAND = pen.Hand(slant=(-30, -12))


def sevens(count: int, seed: int) -> NDArray[np.uint8]:
    """So many of that writer's sevens [count, 28, 28], white ink on black."""
    return pen.write(_STROKES, count, np.random.default_rng(seed), _HAND)


def fill(path: Path, pictures: Iterable[NDArray[np.uint8]], labels: Sequence[int], first: int = 0) -> Path:
    """Put pictures [28, 28] with these right labels into a store, as if each had been read as a 2."""
    with Store(path) as store:
        for number, (picture, label) in enumerate(zip(pictures, labels, strict=True), first):
            name = f"r{number}"
            store.remember([Answer(name, 0, 1e9 + number, picture.tobytes(), 2, 0.5, (Vote("cnn", 1, 2, 0.5),))])
            store.tell(name, 0, int(label), 1e9 + number)
    return path
