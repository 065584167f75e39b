"""Which files are meant, and how many go into one request."""

import glob
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff"})
MOST = 256  # pictures in a request: the service takes no more
_BYTES = 16 * 2**20  # of a request, about: what is kept in memory and sent again where a connection broke


def find(arguments: Iterable[str]) -> list[Path]:
    """The files that are meant: as they are named, by a pattern, or in a folder by their suffix, there sorted.

    What does not exist is among them too: it becomes a row that says so. Of a folder only regular files are taken.
    """
    return [path for argument in arguments for path in _find(argument)]


def batches(paths: Sequence[Path]) -> Iterator[list[Path]]:
    """The files in their order, as many together as are sent in one request."""
    batch: list[Path] = []
    size = 0
    for path in paths:
        length = _size(path)
        if batch and (len(batch) == MOST or size + length > _BYTES):
            yield batch
            batch, size = [], 0
        batch.append(path)
        size += length
    if batch:
        yield batch


def exists(path: Path) -> bool:
    """Whether there is something, of whatever kind."""
    return _status(path) is not None


def _find(argument: str) -> Iterator[Path]:
    path = Path(argument)
    if exists(path) or not glob.has_magic(argument):
        yield from _taken(path)
    else:  # quoted, or in a shell that leaves patterns as they are
        for found in sorted(glob.glob(argument, recursive=True)) or [argument]:  # noqa: PTH207 - it may be absolute
            yield from _taken(Path(found))


def _taken(path: Path) -> Iterator[Path]:
    status = _status(path)
    if status and stat.S_ISDIR(status.st_mode):
        yield from _pictures(path)
    else:
        yield path


def _pictures(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted(files):
            path = Path(place, name)
            if path.suffix.lower() in SUFFIXES and path.is_file():
                yield path


def _size(path: Path) -> int:
    status = _status(path)
    return status.st_size if status else 0


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:
        return None
