"""Which files are meant, and how many go into one request."""

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff"})
MOST = 256  # pictures in a request: the service takes no more
_BYTES = 16 * 2**20  # of a request, about: what is kept in memory and sent again where a connection broke


def find(arguments: Iterable[str]) -> list[Path]:
    """The files that are meant: as they are named, by a pattern, or in a folder by their suffix, there sorted.

    What does not exist is among them too: it becomes a row that says so.
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


def _find(argument: str) -> Iterator[Path]:
    path = Path(argument)
    if path.is_dir():
        yield from _pictures(path)
    elif path.exists() or not glob.has_magic(argument):
        yield path
    else:  # quoted, or in a shell that leaves patterns as they are
        for found in sorted(glob.glob(argument, recursive=True)) or [argument]:  # noqa: PTH207 - it may be absolute
            yield from _pictures(Path(found)) if Path(found).is_dir() else [Path(found)]


def _pictures(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder):
        folders.sort()
        yield from (Path(place, name) for name in sorted(files) if Path(name).suffix.lower() in SUFFIXES)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
