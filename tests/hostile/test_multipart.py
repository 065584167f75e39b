"""Whatever form comes, its file is found as it was sent, or there is an error of the table."""

import asyncio
import string
from contextlib import suppress
from dataclasses import dataclass
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.types import Message

from service.errors import BadRequest, EmptyFile, NoFile, ServiceError
from service.upload import FIELD, read_upload
from service.uploads import read_uploads
from tests.damage import damaged
from tests.hostile.forms import FORM, PICTURE, WHOLE, boundaries, framing, headers

_SEEDS = [*boundaries(), *framing(), *headers()]
_LIMIT = 2**20


@dataclass(frozen=True)
class Field:
    """One field of a form."""

    name: str
    filename: str | None
    content: bytes

    def written(self) -> bytes:
        """Its part without the boundary, as browsers write it."""
        filename = "" if self.filename is None else f'; filename="{self.filename}"'
        return f'Content-Disposition: form-data; name="{self.name}"{filename}\r\n\r\n'.encode() + self.content


_TEXT = st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters='"\\'), max_size=20)
_BOUNDARIES = st.text(string.ascii_letters + string.digits + "'()+_,-./:=?", min_size=1, max_size=70)
_CONTENTS = st.sampled_from([b"", b"seven.png", PICTURE]) | st.binary(max_size=200)
_FIELDS = st.builds(Field, st.just(FIELD) | _TEXT, st.none() | _TEXT, _CONTENTS)


def form(fields: list[Field], boundary: str) -> bytes:
    """Fields as a body."""
    parts = b"".join(b"--%b\r\n%b\r\n" % (boundary.encode(), field.written()) for field in fields)
    return parts + f"--{boundary}--\r\n".encode()


def asked(body: bytes, content_type: str) -> Request:
    """A request that brings a body in two pieces."""
    pieces = [body[: len(body) // 2], body[len(body) // 2 :]]

    async def receive() -> Message:
        return {"type": "http.request", "body": pieces.pop(0), "more_body": bool(pieces)}

    headers = [(b"content-type", content_type.encode("latin-1", "replace"))]
    return Request({"type": "http", "method": "POST", "path": "/", "headers": headers}, receive)


def one(body: bytes, content_type: str) -> bytes:
    """The file of a form."""
    return asyncio.run(read_upload(asked(body, content_type), 10))


def many(body: bytes, content_type: str) -> list[tuple[str, bytes | str]]:
    """The names of a form's files, with what they hold or the error that they give."""

    async def read() -> list[tuple[str, bytes | str]]:
        found: list[tuple[str, bytes | str]] = []
        for upload in await read_uploads(asked(body, content_type), 10, _LIMIT, _LIMIT):
            try:
                found.append((upload.name, await upload.content()))
            except ServiceError as error:
                found.append((upload.name, error.name))
        return found

    return asyncio.run(read())


def expected(content: bytes, *, named: bool) -> bytes | str:
    """What a field `file` of this content is read as."""
    if not content:
        return EmptyFile.name
    return NoFile.name if not named and content.isascii() else content


@settings(deadline=None)
@given(st.lists(_FIELDS, max_size=6), _BOUNDARIES, st.booleans())
def test_a_form_is_read_as_it_was_written(fields: list[Field], boundary: str, quoted: bool) -> None:
    """Of any fields under any boundary the first file comes out byte for byte, and all of them with their names."""
    if any(f"\r\n--{boundary}".encode() in b"\r\n" + field.content for field in fields):
        return
    body = form(fields, boundary)
    content_type = f"multipart/form-data; boundary={boundary}"
    if quoted or not set(boundary) <= set(string.ascii_letters + string.digits + "-_"):
        content_type = f'multipart/form-data; boundary="{boundary}"'
    wanted = [field for field in fields if field.name == FIELD]
    told = [expected(field.content, named=field.filename is not None) for field in wanted]
    try:
        found: bytes | str = one(body, content_type)
    except ServiceError as error:
        found = error.name
    # Of several files the first may be taken, or all be refused; none is ever taken for another.
    assert found == (told[0] if told else NoFile.name) or (found == BadRequest.name and len(told) > 1)
    if wanted:
        assert many(body, content_type) == [
            (field.filename or "", each) for field, each in zip(wanted, told, strict=True)
        ]


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(_SEEDS) | st.just(("", FORM, WHOLE)), st.randoms(use_true_random=False), st.booleans())
def test_a_damaged_form_is_a_file_or_an_error_of_the_table(
    seed: tuple[str, str, bytes], random: Random, either: bool
) -> None:
    """Whatever is changed in a form or its Content-Type, nothing but an error that we know is raised."""
    _, content_type, body = seed
    body = damaged(body[:5000], random)
    if either:
        content_type = damaged(content_type[:500].encode("latin-1", "replace"), random).decode("latin-1")
    for read in (one, many):
        with suppress(ServiceError):
            read(body, content_type)


@settings(deadline=None)
@given(st.binary(max_size=400), st.text(max_size=60) | st.sampled_from([FORM, "application/zip"]))
def test_any_bytes_are_a_file_or_an_error_of_the_table(body: bytes, content_type: str) -> None:
    """As above, of any bytes under any Content-Type."""
    for read in (one, many):
        with suppress(ServiceError):
            read(body, content_type)
