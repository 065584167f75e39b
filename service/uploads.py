"""Many pictures out of one body: the parts of a form, or an archive."""

import asyncio
from typing import Protocol

from python_multipart.multipart import parse_options_header
from starlette.requests import Request

from service.archive import MOST, is_archive, too_large, unpack
from service.errors import NoFile, NotAPicture, TooManyPictures
from service.upload import Parts, boundary_of, check, parse, refuse_packed, whole

ARCHIVES = (b"application/zip", b"application/x-zip-compressed")


class Upload(Protocol):
    """One of many pictures: the name that its sender gave it, and its bytes once they are asked for."""

    @property
    def name(self) -> str:
        """A label."""

    async def content(self) -> bytes:
        """The bytes; raises a ServiceError that says what is wrong with them."""


class Part:
    """A part of a form."""

    def __init__(self, filename: bytes | None, max_bytes: int) -> None:
        self.name = (filename or b"").decode("utf-8", "replace")
        self.data = bytearray()
        self._has_filename = filename is not None
        self._max_bytes = max_bytes

    async def content(self) -> bytes:
        """Its bytes; raises what is wrong with them."""
        if is_archive(self.data):
            raise NotAPicture(f"'{self.name}' is an archive among pictures. Send it alone.")
        if len(self.data) > self._max_bytes:
            raise too_large(self.name, self._max_bytes)
        check(self.data, has_filename=self._has_filename)
        return bytes(self.data)


class _Files(Parts):
    """Collects every part named `file`."""

    most = MOST + Parts.most

    def __init__(self, max_bytes: int) -> None:
        super().__init__()
        self.found: list[Part] = []
        self._max_bytes = max_bytes
        self._filename: bytes | None = None

    def take(self, options: dict[bytes, bytes]) -> bool:
        """Each is wanted, up to so many."""
        if len(self.found) == MOST:
            raise TooManyPictures
        self._filename = options.get(b"filename")
        return True

    def begin(self) -> None:
        """Another one."""
        self.found.append(Part(self._filename, self._max_bytes))

    def add(self, data: bytes) -> None:
        """Some data of the last."""
        self.found[-1].data += data


async def read_uploads(request: Request, seconds: float, max_bytes: int, most_bytes: int) -> list[Upload]:
    """The pictures that a request brings, in their order, which must have come within so many seconds.

    Args:
        request: a multipart form with one or more fields `file`, or with one that is a ZIP archive, or the archive.
        seconds: how long the body may take to come.
        max_bytes: what one picture may have.
        most_bytes: what the pictures of an archive may have together.

    Raises:
        UnknownEncoding: if the body is packed.
        NoFile: if there is none.
        TooManyPictures: if there are more than 256.
        BrokenArchive: if the archive cannot be opened.
        BadRequest: if the form is malformed or ends early.
        SlowBody: if the body takes longer.
        BodyTooLarge: if the archive's pictures are too large together, or the body by the guard's count.
    """
    refuse_packed(request)
    content_type = request.headers.get("content-type", "")
    form = parse_options_header(content_type)[0] not in ARCHIVES
    boundary = boundary_of(content_type) if form else b""
    body = await whole(request, seconds)
    return await asyncio.to_thread(_uploads, body, boundary, max_bytes, most_bytes)


def _uploads(body: bytes, boundary: bytes, max_bytes: int, most_bytes: int) -> list[Upload]:
    """The pictures of a form, or of an archive, where there is no boundary."""
    if not boundary:
        return [*unpack(body, max_bytes, most_bytes)]
    files = _Files(max_bytes)
    parse(body, boundary, files)
    if not files.found:
        raise NoFile
    if len(files.found) == 1 and is_archive(files.found[0].data):
        return [*unpack(bytes(files.found[0].data), max_bytes, most_bytes)]
    return [*files.found]
