"""Files of a version, read as what they must be: regular files that lie within its folder, links never followed."""

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from registry.errors import ArtifactError


def is_within(name: str) -> bool:
    """Whether a file's name leads to one place within a folder, and is the one way to write it."""
    path = PurePosixPath(name)
    plain = str(path) == name != "." and not {"\\", "\0"} & set(name)
    return plain and not path.is_absolute() and ".." not in path.parts


def open_file(path: Path) -> BinaryIO:
    """Open a regular file for reading.

    Raises:
        ArtifactError: if it cannot be opened, or is a link, a pipe or a device: to open those may never end.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        why = "is a link, which may lead out of the folder" if error.errno == errno.ELOOP else error.strerror
        raise ArtifactError(f"{path}: {why}") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ArtifactError(f"{path}: is not a regular file")
    return os.fdopen(descriptor, "rb")


def read_file(path: Path, most: int | None = None) -> bytes:
    """The bytes of a regular file, of `most` at most.

    Raises:
        ArtifactError: if it cannot be read, is no regular file or is larger.
    """
    with open_file(path) as file:
        try:
            content = file.read(-1 if most is None else most + 1)
        except OSError as error:
            raise ArtifactError(f"{path}: {error.strerror or error}") from error
    if most is not None and len(content) > most:
        raise ArtifactError(f"{path}: is larger than {most:,} bytes")
    return content


def names(folder: Path) -> Iterator[str]:
    """The names of all files below a folder, links among them as such, which are not followed.

    Raises:
        ArtifactError: if a folder cannot be read.
    """

    def fail(error: OSError) -> None:
        raise ArtifactError(f"{error.filename}: {error.strerror}") from error

    for place, folders, found in os.walk(folder, onerror=fail):
        links = [each for each in folders if (Path(place) / each).is_symlink()]
        yield from ((Path(place) / each).relative_to(folder).as_posix() for each in (*found, *links))
