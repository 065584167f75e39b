"""QMNIST (Yadav and Bottou 2019): MNIST made again from NIST's pictures, with a test part of 60,000.

Its files are those of https://github.com/facebookresearch/qmnist; labels are [N, 8] 32-bit numbers, the class first.
"""

from pathlib import Path

from trainer.mnist import Say
from trainer.sources import idx
from trainer.sources.source import Source

PREFIX = "qmnist-"


def read(folder: Path, _say: Say) -> Source:
    """Its training and test files of a folder.

    Raises:
        TrainerError: as `idx.read` does.
    """
    return idx.read_pairs("qmnist", folder, PREFIX)
