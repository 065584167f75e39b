"""Many pictures out of one body: the parts of a form, or an archive."""

import asyncio
from typing import Protocol

from python_multipart.multipart import parse_options_header
from starlette.requests import Request

from service.archive import MOST, is_archive, too_large, unpack
from service.errors import NoFile, NotAPicture, SlowBody, TooManyPictures
from service.upload import Parts, check, parse_form

ARCHIVES = ("application/zip", "application/x-zip-compressed")


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

    def add(self, data: bytes) -> None:
        """Keep some more of its bytes; of a picture that is too large, only as many as show it."""
        if len(self.data) <= self._max_bytes or is_archive(self.data):
            self.data += data

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

    def __init__(self, max_bytes: int) -> None:
        super().__init__()
        self.found: list[Part] = []
        self._max_bytes = max_bytes
        self._filename: bytes | None = None

    most = MOST + Parts.most

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
        self.found[-1].add(data)


async def read_uploads(request: Request, seconds: float, max_bytes: int, most_bytes: int) -> list[Upload]:
    """The pictures that a request brings, in their order, which must have come within so many seconds.

    Args:
        request: a multipart form with one or more fields `file`, or with one that is a ZIP archive, or the archive.
        seconds: how long the body may take to come.
        max_bytes: what one picture may have.
        most_bytes: what the pictures of an archive may have together.

    Raises:
        NoFile: if there is none.
        TooManyPictures: if there are more than 256.
        BrokenArchive: if the archive cannot be opened.
        BadRequest: if the form is malformed or ends early.
        SlowBody: if the body takes longer.
        BodyTooLarge: if the archive's pictures are too large together, or the body by the guard's count.
    """
    media_type, _ = parse_options_header(request.headers.get("content-type", ""))
    if media_type.decode() in ARCHIVES:
        return [*await asyncio.to_thread(unpack, await _body(request, seconds), max_bytes, most_bytes)]
    files = _Files(max_bytes)
    await parse_form(request, seconds, files)
    if not files.found:
        raise NoFile
    if len(files.found) == 1 and is_archive(files.found[0].data):
        return [*await asyncio.to_thread(unpack, bytes(files.found[0].data), max_bytes, most_bytes)]
    return [*files.found]


async def _body(request: Request, seconds: float) -> bytes:
    try:
        async with asyncio.timeout(seconds):
            return await request.body()
    except TimeoutError as error:
        raise SlowBody from error
