"""A folder of `label/picture.png`, read as the service reads uploads: the 28x28 that the models will see."""

import hashlib
import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track

from trainer.errors import TrainerError
from trainer.layout import SIDE, Bytes
from trainer.mnist import Say
from trainer.sources.source import Labelled, Source, held_back, joined, name_of

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff"}
PARTS = ("train", "test")
LABELS = [str(label) for label in range(10)]

_MAX_PIXELS = 40_000_000  # as the service's own
_UNREADABLE = 0.05  # of the pictures that may be passed over
_NAMED = 5  # of those that are


@dataclass(frozen=True)
class _File:
    path: Path
    part: str  # train, test, or neither
    label: int


@dataclass(frozen=True)
class _Read:
    file: _File
    sha256: str
    picture: Bytes | None
    wrong: str = ""
    warnings: tuple[str, ...] = ()


def read(folder: Path, say: Say) -> Source:
    """The pictures below folders named 0 to 9, all of a folder or of `train/` and `test/` in it.

    Without `test/` about a fifth of each label is the test part. A picture that cannot be read is named and left out.

    Raises:
        TrainerError: if there are none, a folder is named otherwise, or more than 5 % cannot be read.
    """
    files = list(_files(folder))
    if not files:
        raise TrainerError(f"{folder}: holds no pictures in folders 0 to 9")
    done = _read_all(files)
    _tell(folder, done, say)
    # By what they are, not by their names: a copy under other names is the same data.
    whole = sorted((one for one in done if one.picture is not None), key=lambda one: (one.file.label, one.sha256))
    parts = {part: _labelled([one for one in whole if one.file.part == part]) for part in (*PARTS, "")}
    training, test = joined([parts[""], parts["train"]]), parts["test"]
    if not len(test):
        training, test = held_back(training)
    lines = "".join(f"{one.file.part}/{one.file.label} {one.sha256}\n" for one in whole)
    name = name_of("pictures", folder)
    return Source(name, training, test, {name: hashlib.sha256(lines.encode()).hexdigest()})


def is_one(folder: Path) -> bool:
    """Whether a folder is laid out so."""
    return any((folder / part / label).is_dir() for part in ("", *PARTS) for label in LABELS)


def _files(folder: Path) -> Iterator[_File]:
    if not folder.is_dir():
        raise TrainerError(f"{folder}: no such folder")
    for part in ("", *PARTS):
        within = folder / part
        for place in sorted(within.iterdir()) if within.is_dir() else ():
            if place.name.startswith(".") or not place.is_dir() or (not part and place.name in PARTS):
                continue
            if place.name not in LABELS:
                raise TrainerError(
                    f"{place}: not a label; folders are named 0 to 9, or train and test with these in them"
                )
            for path in sorted(place.rglob("*")):
                if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file():
                    yield _File(path, part, int(place.name))


def _read_all(files: list[_File]) -> list[_Read]:
    """All files read, in so many threads as there are cores: decoders let other threads run."""
    console = Console(stderr=True)
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        done = threads.map(_read, files)
        return list(
            track(done, "pictures", len(files), console=console, transient=True, disable=not console.is_terminal)
        )


def _read(file: _File) -> _Read:
    import imaging
    from imaging.errors import PictureError

    try:
        content = file.path.read_bytes()
    except OSError as error:
        return _Read(file, "", None, error.strerror or str(error))
    digest = hashlib.sha256(content).hexdigest()
    try:
        seen = imaging.read(content, _MAX_PIXELS)
    except PictureError as error:
        return _Read(file, digest, None, str(error) if content else "It is empty.")
    return _Read(file, digest, (seen.picture[0] * 255).round().astype(np.uint8), warnings=seen.warnings)


def _labelled(done: list[_Read]) -> Labelled:
    pictures = [one.picture for one in done if one.picture is not None]
    labels = np.array([one.file.label for one in done], np.uint8)
    return Labelled(np.stack(pictures) if pictures else np.empty((0, SIDE, SIDE), np.uint8), labels)


def _tell(folder: Path, done: list[_Read], say: Say) -> None:
    """Say which pictures were left out and what imaging remarked on the others; refuse a folder of too many such."""
    wrong = [one for one in done if one.picture is None]
    named = [f"{one.file.path}: {one.wrong}" for one in wrong[:_NAMED]]
    if len(wrong) > _UNREADABLE * len(done):
        more = f", the first {_NAMED} of them" if len(wrong) > _NAMED else ""
        raise TrainerError(
            f"{folder}: {len(wrong)} of {len(done)} pictures cannot be read{more}: {' '.join(named)} "
            "Put them right or take them out"
        )
    for line in named:
        say(f"left out: {line}")
    if len(wrong) > _NAMED:
        say(f"left out: {len(wrong) - _NAMED} more")
    for warning, count in Counter(warning for one in done for warning in one.warnings).most_common():
        say(f"{folder}: {count} of {len(done)} pictures: {warning}")
