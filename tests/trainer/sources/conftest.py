"""Files in the formats that others publish, written from the small digits that tests carry."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.trainer.conftest import DATA
from trainer import mnist
from trainer.mnist import Mnist

_CODES = {"u1": 8, "i4": 12}


@pytest.fixture(scope="session")
def small() -> Mnist:
    """Some hundred of MNIST's digits."""
    return mnist.load(DATA, other=True)


def write_idx(path: Path, values: NDArray[np.generic], *, kind: str = "u1") -> None:
    """An array as an IDX file, packed where its name ends in .gz."""
    header = bytes([0, 0, _CODES[kind], values.ndim]) + b"".join(size.to_bytes(4) for size in values.shape)
    content = header + values.astype(f">{kind}").tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content, 1) if path.suffix == ".gz" else content)


def write_qmnist(folder: Path, small: Mnist) -> None:
    """QMNIST's four files: labels are the class and seven more numbers of where a digit comes from."""
    parts = {
        "train": (small.training_pictures, small.training_labels),
        "test": (small.test_pictures, small.test_labels),
    }
    for part, (pictures, labels) in parts.items():
        more = np.tile(np.arange(1000, 1007), (len(labels), 1))
        write_idx(folder / f"qmnist-{part}-images-idx3-ubyte.gz", pictures)
        write_idx(folder / f"qmnist-{part}-labels-idx2-int.gz", np.column_stack([labels, more]), kind="i4")


def write_emnist(folder: Path, small: Mnist) -> None:
    """EMNIST's digits, each transposed, beside its letters."""
    parts = {
        "train": (small.training_pictures, small.training_labels),
        "test": (small.test_pictures, small.test_labels),
    }
    for part, (pictures, labels) in parts.items():
        write_idx(folder / f"emnist-digits-{part}-images-idx3-ubyte.gz", pictures.transpose(0, 2, 1))
        write_idx(folder / f"emnist-digits-{part}-labels-idx1-ubyte.gz", labels)
        write_idx(folder / f"emnist-letters-{part}-images-idx3-ubyte.gz", pictures[:5].transpose(0, 2, 1))
        write_idx(folder / f"emnist-letters-{part}-labels-idx1-ubyte.gz", np.full(5, 26))


def write_pictures(folder: Path, small: Mnist, count: int, suffix: str = ".png") -> None:
    """Test digits as files, black ink on white and larger than MNIST's."""
    for number, (picture, label) in enumerate(zip(small.test_pictures[:count], small.test_labels, strict=False)):
        place = folder / str(label)
        place.mkdir(parents=True, exist_ok=True)
        page = np.full((56, 56), 255, np.uint8)
        page[14:42, 14:42] = 255 - picture
        Image.fromarray(page).save(place / f"{number:03}{suffix}")
