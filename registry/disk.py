"""Files that outlive a kill or a power cut: written, flushed, and cleared away where a writer was killed."""

import os
import shutil
import time
from pathlib import Path

_STALE_SECONDS = 3600  # a write takes well under a second; what is older was killed


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
        if age > _STALE_SECONDS:
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
