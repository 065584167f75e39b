"""IDX files of any names, plain or as .gz: `…images…` beside `…labels…`, as many pairs as there are."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.errors import TrainerError
from trainer.layout import SIDE
from trainer.mnist import Say, unpacked
from trainer.sources.source import Labelled, Source, held_back, joined, name_of

_IMAGES = re.compile(r"(?!\.).*images.*idx3.*")
_TEST = re.compile(r"(^|[-_.])(test|t10k)([-_.]|$)")
_TYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4"}  # by the header's third byte


@dataclass(frozen=True)
class Pair:
    """A file of pictures and the file of their labels, named without .gz."""

    images: Path
    labels: Path

    @property
    def is_test(self) -> bool:
        """Whether its name says that it is not to be trained on."""
        return bool(_TEST.search(self.images.name))


def read(folder: Path, _say: Say) -> Source:
    """All pairs of a folder; those with `test` or `t10k` in their names, else about a fifth of all, are the test part.

    Raises:
        TrainerError: naming the file that is absent, truncated, or of another format.
    """
    return read_pairs("idx", folder)


def read_pairs(kind: str, folder: Path, prefix: str = "", *, transposed: bool = False) -> Source:
    """The pairs of a folder whose names begin so; pictures that lie transposed in them are set upright.

    Raises:
        TrainerError: as `read` does.
    """
    found = pairs(folder, prefix)
    if not found:
        names = f"{prefix}…images-idx3-ubyte and {prefix}…labels-idx1-ubyte"
        raise TrainerError(f"{folder}: holds no {names}, plain or .gz")
    parts: dict[bool, list[Labelled]] = {False: [], True: []}
    sha256: dict[str, str] = {}
    for pair in found:
        images, labels = unpacked(pair.images), unpacked(pair.labels)
        parts[pair.is_test].append(_labelled(pair, images, labels, transposed=transposed))
        for path, content in ((pair.images, images), (pair.labels, labels)):
            sha256[path.name] = hashlib.sha256(content).hexdigest()
    training, test = joined(parts[False]), joined(parts[True])
    if not len(test):
        training, test = held_back(training)
    return Source(name_of(kind, folder), training, test, sha256)


def pairs(folder: Path, prefix: str = "") -> list[Pair]:
    """The pairs of a folder whose names begin so, by name.

    Raises:
        TrainerError: if there is no such folder, or pictures are without labels.
    """
    names, found = _names(folder), []
    for name in images(folder, prefix):
        stem = f"{name.partition('images')[0]}labels"
        labels = [one for one in names if one.startswith(stem)]
        if len(labels) != 1:
            raise TrainerError(f"{folder / name}: {'no' if not labels else 'more than one'} file of labels, {stem}…")
        found.append(Pair(folder / name, folder / labels[0]))
    return found


def images(folder: Path, prefix: str = "") -> list[str]:
    """The names, without .gz, of a folder's files of pictures that begin so.

    Raises:
        TrainerError: if there is no such folder.
    """
    return [name for name in _names(folder) if name.startswith(prefix) and _IMAGES.fullmatch(name)]


def _names(folder: Path) -> list[str]:
    if not folder.is_dir():
        raise TrainerError(f"{folder}: no such folder")
    return sorted({path.name.removesuffix(".gz") for path in folder.iterdir() if path.is_file()})


def _labelled(pair: Pair, images: bytes, labels: bytes, *, transposed: bool) -> Labelled:
    pictures, given = array(pair.images, images), array(pair.labels, labels)
    if pictures.ndim != 3 or pictures.shape[1:] != (SIDE, SIDE) or pictures.dtype != np.uint8:
        shape = " by ".join(map(str, pictures.shape))
        raise TrainerError(f"{pair.images}: holds {shape} values, not pictures of 28 by 28 bytes")
    if given.ndim == 2:
        given = given[:, 0]  # QMNIST's: the class comes first
    if given.ndim != 1 or len(given) != len(pictures) or not len(given):
        raise TrainerError(f"{pair.images.name} holds {len(pictures)} pictures, {pair.labels.name} {len(given)} labels")
    wrong = given[(given < 0) | (given > 9)]
    if len(wrong):
        raise TrainerError(f"{pair.labels}: a label is {wrong[0]}, labels are 0 to 9")
    upright = pictures.transpose(0, 2, 1) if transposed else pictures
    return Labelled(np.ascontiguousarray(upright, np.uint8), given.astype(np.uint8))


def array(path: Path, content: bytes) -> NDArray[np.signedinteger[Any] | np.unsignedinteger[Any]]:
    """What an IDX file holds: two zeros, the type, the number of sizes, each in four bytes, then the values.

    Raises:
        TrainerError: naming the file, if it is none or not as long as its header says.
    """
    kind, dimensions = (content[2], content[3]) if len(content) > 3 else (0, 0)
    if content[:2] != b"\0\0" or kind not in _TYPES or dimensions not in (1, 2, 3) or len(content) < 4 + 4 * dimensions:
        raise TrainerError(f"{path}: no IDX file of whole numbers: starts with {content[:4].hex() or 'nothing'}")
    shape = tuple(map(int, np.frombuffer(content, ">u4", dimensions, offset=4)))
    dtype = np.dtype(_TYPES[kind])
    offset, count = 4 + 4 * dimensions, 1
    for size in shape:
        count *= size
    expected = offset + count * dtype.itemsize
    if len(content) != expected:
        what = "truncated" if len(content) < expected else "altered"
        raise TrainerError(f"{path}: {what}: {len(content):,} bytes where its header says {expected:,}")
    return np.frombuffer(content, dtype, offset=offset).reshape(shape)
