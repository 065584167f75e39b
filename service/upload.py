"""One picture out of a multipart body, bounded in size, parts and headers."""

import asyncio
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request
from starlette.types import Message, Receive

from service.errors import BadRequest, BodyTooLarge, EmptyFile, NoFile, SlowBody, UnknownEncoding

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

FIELD = "file"

# As curl, browsers and the usual libraries write them; whatever else there may be is for the parser.
_PLAIN_TYPE = re.compile(r"multipart/form-data; ?boundary=([\w'()+,./:=?-]{1,70})", re.ASCII)
_PLAIN_HEAD = re.compile(
    rb'Content-Disposition: form-data; name="file"; filename="[^"\\\r\n]*"\r\n'
    rb"(?:Content-Type: [^\r\n]{1,255}\r\n)?\r\n",
    re.IGNORECASE,
)


class Parts:
    """Collects the bytes of the one part named `file` as the parser finds them; other parts are passed over."""

    most = 16

    def __init__(self) -> None:
        self.content: bytearray | None = None
        self.complete = False
        self.has_filename = False
        self._count = 0
        self._wanted = False
        self._header = bytearray()
        self._value = bytearray()

    def on_part_begin(self) -> None:
        """Count the part."""
        self._count += 1
        if self._count > self.most:
            raise BadRequest(f"The form has more than {self.most} fields. Send one, named '{FIELD}'.")
        self._wanted = False

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        """Some of a header's name."""
        self._header += data[start:end]

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        """Some of a header's value."""
        self._value += data[start:end]

    def on_header_end(self) -> None:
        """Find out by its disposition whether the part is wanted."""
        if self._header.lower() == b"content-disposition":
            _, options = parse_options_header(bytes(self._value))
            self._wanted = options.get(b"name") == FIELD.encode() and self.take(options)
        self._header.clear()
        self._value.clear()

    def on_headers_finished(self) -> None:
        """Data comes next."""
        if self._wanted:
            self.begin()

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        """Keep some data if it is wanted."""
        if self._wanted:
            self.add(data[start:end])

    def on_part_end(self) -> None:
        """What follows belongs to no part."""
        self._wanted = False

    def on_end(self) -> None:
        """The last boundary has come."""
        self.complete = True

    def take(self, options: dict[bytes, bytes]) -> bool:
        """Whether a part named `file`, with these options of its disposition, is wanted; raises if it is too many."""
        if self.content is not None:
            raise BadRequest(f"The form has several fields '{FIELD}'. Send one picture, or several to /predict/batch.")
        self.has_filename = b"filename" in options
        return True

    def begin(self) -> None:
        """The data of a wanted part comes next."""
        self.content = bytearray()

    def add(self, data: bytes) -> None:
        """Some data of a wanted part."""
        if self.content is not None:
            self.content += data


async def read_upload(request: Request, seconds: float) -> bytes:
    """The bytes of the multipart field `file`, which must have come within so many seconds.

    Raises:
        UnknownEncoding: if the body is packed.
        NoFile: if the body is no multipart form or has no such field.
        EmptyFile: if the field holds nothing.
        BadRequest: if the form is malformed, ends early or has several such fields.
        SlowBody: if the body takes longer.
        BodyTooLarge: by the guard's count, where the body has no Content-Length.
    """
    refuse_packed(request)
    boundary = boundary_of(request.headers.get("content-type", ""))
    body = await whole(request, seconds)
    return _only_part(body, boundary) or _field(body, boundary)


def refuse_packed(request: Request) -> None:
    """Raise UnknownEncoding where a body of pictures, which are packed already, is packed once more."""
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise UnknownEncoding("Pictures are packed already. Send them as they are, without Content-Encoding.")


async def whole(request: Request, seconds: float) -> bytes:
    """A body, which must have come within so many seconds, else it is a SlowBody."""
    try:
        async with asyncio.timeout(seconds):
            return b"".join([chunk async for chunk in request.stream()])
    except TimeoutError as error:
        raise SlowBody from error


def boundary_of(content_type: str) -> bytes:
    """What stands between the parts of a form; raises NoFile or BadRequest where it is none."""
    if plain := _PLAIN_TYPE.fullmatch(content_type):
        return plain[1].encode()
    media_type, options = parse_options_header(content_type)
    if media_type != b"multipart/form-data":
        raise NoFile
    if not options.get(b"boundary"):
        raise BadRequest("The Content-Type names no boundary. Let your HTTP client set that header by itself.")
    return options[b"boundary"]


def _only_part(body: bytes, boundary: bytes) -> bytes | None:
    """The file of a form that is this one part, written as nearly all clients do; None where one must look closer."""
    opening, closing = b"--" + boundary + b"\r\n", b"\r\n--" + boundary + b"--"
    head = _PLAIN_HEAD.match(body, len(opening)) if body.startswith(opening) else None
    if head is None:
        return None
    end = body.find(closing[:-2], head.end())
    return body[head.end() : end] if body[end:].rstrip(b"\r\n") == closing else None


def _field(body: bytes, boundary: bytes) -> bytes:
    parts = Parts()
    parse(body, boundary, parts)
    if parts.content is None:
        raise NoFile
    check(parts.content, has_filename=parts.has_filename)
    return bytes(parts.content)


def parse(body: bytes, boundary: bytes, parts: Parts) -> None:
    """Give the parts of a whole form to `parts`; raises BadRequest if it is malformed or ends early."""
    try:
        MultipartParser(boundary, _callbacks(parts)).write(body)
    except FormParserError as error:
        raise BadRequest(f"The form is malformed: {error}. Let your HTTP client write it.") from error
    if not parts.complete:
        raise BadRequest("The form ends early: its last boundary is missing. Send it again, whole.")


def check(content: bytes | bytearray, *, has_filename: bool) -> None:
    """Raise what is wrong with a field `file` that holds no file."""
    if not content:
        raise EmptyFile
    if not has_filename and len(content) < 1024 and content.isascii():
        raise NoFile(
            f"The field '{FIELD}' holds text. With curl write the @ of {FIELD}=@digit.png, which sends the file."
        )


def _callbacks(parts: Parts) -> "MultipartCallbacks":
    return {
        "on_part_begin": parts.on_part_begin,
        "on_part_data": parts.on_part_data,
        "on_part_end": parts.on_part_end,
        "on_header_field": parts.on_header_field,
        "on_header_value": parts.on_header_value,
        "on_header_end": parts.on_header_end,
        "on_headers_finished": parts.on_headers_finished,
        "on_end": parts.on_end,
    }


def counted(receive: Receive, limit: int, came: Callable[[int], None], all_come: Callable[[], None]) -> Receive:
    """A `receive` that raises BodyTooLarge once more than `limit` bytes of body have come.

    It tells how many bytes come each time, and when all have.
    """
    seen = 0

    async def receive_counted() -> Message:
        nonlocal seen
        message = await receive()
        size = len(message.get("body", b""))
        seen += size
        if seen > limit:
            raise BodyTooLarge(too_large(limit))
        came(size)
        if message["type"] == "http.request" and not message.get("more_body", False):
            all_come()
        return message

    return receive_counted


def too_large(limit: int) -> str:
    """What a body over the limit is told."""
    return f"At most {limit / 2**20:g} MiB are taken. {BodyTooLarge.default}"
