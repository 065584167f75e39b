"""Files that outlive a kill or a power cut: written, flushed, and cleared away where a writer was killed."""

import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

STAGING = ".staging-"  # how the name of what is being written begins
STALE_SECONDS = 3600  # a write takes well under a second; what is older was killed


def write(path: Path, content: bytes | memoryview) -> None:
    """Write a file and flush it to the disk.

    Raises:
        OSError: of a full disk too it names the file, as Python's own does not.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        error.filename = str(path)
        raise


def remove_stale(folder: Path, pattern: str) -> None:
    """Remove what killed writers left in a folder under names of a pattern; another may be writing the young ones."""
    for path in folder.glob(pattern):
        try:
            age = time.time() - path.stat().st_mtime
        except FileNotFoundError:
            continue  # its writer has just renamed it into place
        if age > STALE_SECONDS:
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


@contextmanager
def staging(folder: Path) -> Iterator[Path]:
    """A new folder's path within a folder, to be filled and then settled; what is left there at the end is removed."""
    path = folder / f"{STAGING}{uuid.uuid4().hex}"
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def settle(staged: Path, place: Path) -> bool:
    """Rename what was staged, flushed, to its place beside; False if there is something already.

    Raises:
        OSError: if it cannot be renamed for another reason.
    """
    for path in [staged, *(path for path in staged.rglob("*") if path.is_dir())]:
        sync(path)
    try:
        staged.rename(place)
    except OSError:
        if not place.exists():
            raise
        return False
    sync(place.parent)
    return True


def replace(path: Path, content: bytes) -> None:
    """Have a file of this content, in the place of what it held before, never half of one.

    Raises:
        OSError: as `write` does.
    """
    if path.exists() and path.read_bytes() == content:
        return
    beside = path.with_name(f"{STAGING}{uuid.uuid4().hex}")
    try:
        write(beside, content)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def sync(folder: Path) -> None:
    """Flush a folder's entries to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
