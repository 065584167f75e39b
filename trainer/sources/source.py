"""What one --data gives: pictures to train on and others that never are, by whatever format they came."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainer.layout import SIDE, Bytes

# Of a source that has no test part of its own: a picture is held back up to this digest, a fifth of all that may be,
_HELD = np.uint64(2**64 // 5)
_LEAST = 10  # and one in so many of each label, however its digests fall


@dataclass(frozen=True)
class Labelled:
    """Pictures [N, 28, 28], white ink on black, and their labels [N], 0 to 9."""

    pictures: Bytes
    labels: Bytes

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, which: NDArray[np.bool_]) -> "Labelled":
        """Those that a mask [N] says."""
        return Labelled(self.pictures[which], self.labels[which])

    @property
    def digests(self) -> NDArray[np.uint64]:
        """A number [N] for each picture's pixels."""
        found = [hashlib.blake2b(picture.tobytes(), digest_size=8).digest() for picture in self.pictures]
        return np.frombuffer(b"".join(found), np.uint64)


@dataclass(frozen=True)
class Source:
    """A training and a test part, and what tells them again: the sha256 of each file, or one of a folder's pictures."""

    name: str
    training: Labelled
    test: Labelled
    sha256: dict[str, str]


def joined(parts: list[Labelled]) -> Labelled:
    """All of some, in their order."""
    if not parts:
        return Labelled(np.empty((0, SIDE, SIDE), np.uint8), np.empty(0, np.uint8))
    return Labelled(np.concatenate([part.pictures for part in parts]), np.concatenate([part.labels for part in parts]))


def held_back(whole: Labelled) -> tuple[Labelled, Labelled]:
    """A training and a test part: of each label about a fifth, a tenth at least, is for test.

    Which is decided by a picture's own pixels, so that one held back mostly stays so while others are added, whatever
    the recipe's seed is, and one that is there twice lies on one side.
    """
    digests = whole.digests
    test = np.zeros(len(whole), bool)
    for label in np.unique(whole.labels):
        mine = whole.labels == label
        different = np.unique(digests[mine])
        if len(different) > 1:
            least, most = different[(len(different) - 1) // _LEAST], different[-2]
            test |= mine & (digests <= min(max(_HELD, least), most))
    return whole.take(~test), whole.take(test)


def name_of(kind: str, folder: Path) -> str:
    """What a source is called in manifests and reports: its kind and its folder's own name, never the way there."""
    return f"{kind}:{folder.resolve().name}"
