"""EMNIST's digits (Cohen, Afshar, Tapson and van Schaik 2017): 240,000 for training and 40,000 for test.

Its files hold each picture transposed, rows as columns.
"""

from pathlib import Path

from trainer.mnist import Say
from trainer.sources import idx
from trainer.sources.source import Source

PREFIX = "emnist-digits-"


def read(folder: Path, _say: Say) -> Source:
    """Its digits' training and test files of a folder, whatever other splits lie beside them.

    Raises:
        TrainerError: as `idx.read` does.
    """
    return idx.read_pairs("emnist", folder, PREFIX, transposed=True)
