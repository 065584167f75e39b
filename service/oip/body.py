"""The body of a request: unpacked, and split into its JSON and what follows it."""

import re
import zlib
from typing import TypeVar

import orjson
from pydantic import BaseModel, ValidationError

from service.errors import BadRequest, BodyTooLarge, UnknownEncoding
from service.upload import too_large

T = TypeVar("T", bound=BaseModel)

HEADER = "Inference-Header-Content-Length"
ENCODINGS = {"gzip": 31, "deflate": 15}  # and how zlib calls them
_LENGTH = re.compile(r"\d{1,10}", re.ASCII)


def unpack(body: bytes, encoding: str, most: int) -> bytes:
    """A body as it was before its Content-Encoding.

    Raises:
        UnknownEncoding: if that is neither gzip nor deflate.
        BadRequest: if the body is no such data, ends early or goes on behind it.
        BodyTooLarge: if it has more than `most` bytes; no more are unpacked.
    """
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        return body
    if encoding not in ENCODINGS:
        raise UnknownEncoding
    unpacker = zlib.decompressobj(ENCODINGS[encoding])
    try:
        unpacked = unpacker.decompress(body, most + 1)
    except zlib.error as error:
        raise BadRequest(f"The body is not {encoding}, which its Content-Encoding names: {error}.") from error
    if len(unpacked) > most:
        raise BodyTooLarge(too_large(most))
    if not unpacker.eof or unpacker.unused_data:
        raise BadRequest(f"The body's {encoding} data {'go on behind their end' if unpacker.eof else 'end early'}.")
    return unpacked


def split(body: bytes, header: str | None) -> tuple[bytes, memoryview]:
    """The JSON of a body, and what follows it, by its `Inference-Header-Content-Length`; without one all is JSON.

    Raises:
        BadRequest: if that is no length, or longer than the body.
    """
    if header is None:
        return body, memoryview(b"")
    if not _LENGTH.fullmatch(header) or int(header) > len(body):
        raise BadRequest(f"{HEADER} is the length of the JSON in bytes, 0 to {len(body)}, not {header[:40]!r}.")
    return body[: int(header)], memoryview(body)[int(header) :]


def read(kind: type[T], text: bytes, most: int) -> T:
    """What a request's JSON holds, which may be `most` values: each is made before any is looked at.

    Raises:
        BadRequest: if it is no JSON, holds more, or does not hold what it must; the message names the field.
    """
    if sum(map(text.count, (b",", b"[", b"{"))) > most:
        raise BadRequest(f"The request's JSON holds more than {most:,} values. Send fewer pictures at once.")
    try:
        return kind.model_validate(orjson.loads(text))
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"The request's JSON cannot be read: {error}.") from error
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the request"
        raise BadRequest(f"{where}: {first['msg']}.") from error
