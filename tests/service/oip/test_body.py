import gzip
import zlib

import pytest

from service.errors import BadRequest, BodyTooLarge, UnknownEncoding
from service.oip.body import read, split, unpack
from service.oip.schemas import IndexRequest

BODY = b'{"ready": true}' * 10
PACKED = gzip.compress(BODY, mtime=0)  # without the time, each process names the tests alike


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("", BODY),
        ("identity", BODY),
        ("gzip", PACKED),
        ("GZip ", PACKED),
        ("deflate", zlib.compress(BODY)),
    ],
)
def test_a_body_is_unpacked(encoding: str, packed: bytes) -> None:
    """As its Content-Encoding says, up to the very size that is allowed."""
    assert unpack(packed, encoding, len(BODY)) == BODY


def test_what_is_too_large_unpacked_is_refused_before_it_is() -> None:
    """A bomb of 64 MiB in 64 KiB is 413, and one byte too many is."""
    bomb = gzip.compress(bytes(2**26))
    for packed, most in ((bomb, 2**20), (gzip.compress(BODY), len(BODY) - 1)):
        with pytest.raises(BodyTooLarge):
            unpack(packed, "gzip", most)


@pytest.mark.parametrize(
    ("encoding", "packed", "words"),
    [
        ("gzip", BODY, "not gzip"),
        ("gzip", zlib.compress(BODY), "not gzip"),
        ("deflate", PACKED, "not deflate"),
        ("gzip", PACKED[:-9], "end early"),
        ("gzip", b"", "end early"),
        ("deflate", zlib.compress(BODY) + b"more", "go on behind their end"),
    ],
)
def test_damaged_packing_is_a_bad_request(encoding: str, packed: bytes, words: str) -> None:
    """The message says what is wrong with it."""
    with pytest.raises(BadRequest, match=words):
        unpack(packed, encoding, 2**20)


def test_other_packings_are_refused() -> None:
    """Brotli is not known, nor are two packings in turn."""
    for encoding in ("br", "gzip, gzip", "zstd"):
        with pytest.raises(UnknownEncoding):
            unpack(BODY, encoding, 2**20)


def test_a_body_is_split_where_its_header_says() -> None:
    """JSON comes first; without a header all is JSON."""
    for body, header, expected in ((b"{}tensor", "2", b"tensor"), (b"{}", "2", b""), (b"{}", None, b"")):
        text, rest = split(body, header)
        assert (text, bytes(rest)) == (b"{}", expected)


@pytest.mark.parametrize("header", ["-1", "9", "2.0", "", "two", "٢", "1" * 5000, "+2", "0x2"])
def test_a_lying_length_is_a_bad_request(header: str) -> None:
    """One that is no number, or longer than the body."""
    with pytest.raises(BadRequest, match="Inference-Header-Content-Length is the length"):
        split(b"{}tensor", header)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "cannot be read"),
        (b"{", "cannot be read"),
        (b"[" * 1000, "cannot be read"),
        (b"[" * 1001, "more than 1,000 values"),
        (b'{"ready": [' + b"{}," * 10**6 + b"{}]}", "more than 1,000 values"),
        (b'{"ready": NaN}', "cannot be read"),
        (b"\xff", "cannot be read"),
        (b"[]", "the request: "),
        (b"null", "the request: "),
        (b'{"ready": 1}', "ready: "),
    ],
)
def test_json_that_is_not_as_it_must_be_is_a_bad_request(text: bytes, words: str) -> None:
    """The message names the field, or says that it is no JSON."""
    with pytest.raises(BadRequest, match=words):
        read(IndexRequest, text, 1000)
