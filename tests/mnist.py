"""The few hundred real digits that the tests carry; see tests/data/README.md."""

import gzip
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

FOLDER = Path(__file__).parent / "data"


@cache
def digits() -> NDArray[np.uint8]:
    """Pictures [N, 28, 28], white ink on black."""
    content = gzip.decompress((FOLDER / "t10k-images-idx3-ubyte.gz").read_bytes())
    return np.frombuffer(content, np.uint8, offset=16).reshape(-1, 28, 28)


@cache
def labels() -> NDArray[np.uint8]:
    """Labels [N] of `digits`."""
    content = gzip.decompress((FOLDER / "t10k-labels-idx1-ubyte.gz").read_bytes())
    return np.frombuffer(content, np.uint8, offset=8)
