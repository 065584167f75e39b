import gzip

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import ServiceError
from service.upload import _field, _only_part
from tests.support import drawing, encoded

PICTURE = encoded(drawing())
BOUNDARY = "limit"
FORM = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}


def part(name: str, content: bytes, extra: str = "") -> bytes:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"; filename="f.png"\r\n{extra}\r\n'
    return head.encode() + content + b"\r\n"


END = f"--{BOUNDARY}--\r\n".encode()


def problem_of(client: httpx.Client, body: bytes, headers: dict[str, str] | None = None) -> tuple[int, str, str]:
    answer = client.post("/predict", content=body, headers=FORM if headers is None else headers)
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json()["type"].removeprefix("urn:digitvote:"), answer.json()["detail"]


def test_other_fields_beside_the_file_are_passed_over(client: httpx.Client) -> None:
    """Fields before and after `file` do not disturb."""
    body = part("note", b"hello") + part("file", PICTURE) + part("comment", b"second") + END
    assert client.post("/predict", content=body, headers=FORM).status_code == 200


@pytest.mark.parametrize("second", [PICTURE, b""])
def test_several_files_where_one_is_read_are_told(client: httpx.Client, second: bytes) -> None:
    """Who sends two pictures to /predict or /read is told where to send them: none of the two is chosen."""
    body = part("file", PICTURE) + part("file", second) + END
    assert problem_of(client, body)[:2] == (400, "bad-request")
    assert "/predict/batch" in problem_of(client, body)[2]
    assert client.post("/read", content=body, headers=FORM).status_code == 400


def test_a_packed_body_is_refused_as_such(client: httpx.Client) -> None:
    """By a 415 that says so, on each route for pictures, rather than as a malformed form; identity packs nothing."""
    body = part("file", PICTURE) + END
    for path in ("/predict", "/predict/batch", "/read", "/"):
        answer = client.post(path, content=gzip.compress(body), headers={**FORM, "Content-Encoding": "gzip"})
        assert (answer.status_code, answer.json()["type"]) == (415, "urn:digitvote:unknown-encoding")
        assert "without Content-Encoding" in answer.json()["detail"]
    assert client.post("/predict", content=body, headers={**FORM, "Content-Encoding": "Identity"}).status_code == 200


def test_a_body_that_comes_in_pieces_is_put_together(client: httpx.Client) -> None:
    """A chunked body, cut anywhere, gives what the whole one gives."""
    body = part("file", PICTURE) + END
    whole = client.post("/predict", content=body, headers=FORM).json()["votes"]
    for size in (1, 7, 64):
        pieces = (body[at : at + size] for at in range(0, len(body), size))
        assert client.post("/predict", content=pieces, headers=FORM).json()["votes"] == whole


PIECES = [
    part("file", PICTURE),
    part("file", b"x"),
    part("note", b"hello"),
    part("file", b"y").replace(b"\r\n\r\n", b"\r\nContent-Type: image/png\r\n\r\n"),
    f"--{BOUNDARY}\r\n".encode(),
    f"\r\n--{BOUNDARY}".encode(),
    b"\r\n",
    b"--",
    END,
]


@given(st.lists(st.sampled_from(PIECES) | st.binary(max_size=3), max_size=5))
def test_the_short_way_finds_what_the_parser_finds(pieces: list[bytes]) -> None:
    """Whatever is put together of the pieces of forms: where the short way has an answer, it is the parser's."""
    body = b"".join(pieces)
    if found := _only_part(body, BOUNDARY.encode()):
        try:
            assert _field(body, BOUNDARY.encode()) == found
        except ServiceError as error:
            raise AssertionError(f"the parser refuses it: {error}") from error


def test_what_clients_send_goes_the_short_way() -> None:
    """A single file as curl, httpx and browsers write it needs no parser."""
    assert _only_part(part("file", PICTURE) + END, BOUNDARY.encode()) == PICTURE
    assert _only_part(part("file", PICTURE, "Content-Type: image/png\r\n") + END, BOUNDARY.encode()) == PICTURE


@pytest.mark.parametrize(
    "headers",
    [{}, {"content-type": "application/json"}, {"content-type": "image/png"}, {"content-type": "a/b; boundary=x"}],
)
def test_a_body_that_is_no_form_is_told_how_to_send_one(client: httpx.Client, headers: dict[str, str]) -> None:
    """Without multipart/form-data the answer is 422 with the way to send a file."""
    status, name, detail = problem_of(client, PICTURE, headers)
    assert (status, name) == (422, "no-file")
    assert "curl -F file=@" in detail


def test_each_malformed_form_is_told_apart(client: httpx.Client) -> None:
    """No field, an empty field, no boundary, a cut-off form, garbage and too many fields have their own answers."""
    assert problem_of(client, part("picture", PICTURE) + END)[:2] == (422, "no-file")
    assert problem_of(client, part("file", b"") + END)[:2] == (422, "empty-file")
    assert "no boundary" in problem_of(client, END, {"content-type": "multipart/form-data"})[2]
    assert "ends early" in problem_of(client, part("file", PICTURE))[2]
    assert "ends early" in problem_of(client, b"")[2]
    assert "malformed" in problem_of(client, b"garbage")[2]
    assert "more than 16 fields" in problem_of(client, part("a", b"b") * 17 + part("file", PICTURE) + END)[2]
    assert "malformed" in problem_of(client, part("file", PICTURE, "X-Long: " + "a" * 10_000 + "\r\n") + END)[2]
    assert "malformed" in problem_of(client, part("file", PICTURE, "X-Many: a\r\n" * 100) + END)[2]


def test_a_forgotten_at_sign_is_told(client: httpx.Client) -> None:
    """`curl -F file=digit.png` sends the name and not the file: the answer says which sign is missing."""
    body = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"\r\n\r\ndigit.png\r\n'.encode() + END
    status, name, detail = problem_of(client, body)
    assert (status, name) == (422, "no-file")
    assert "@" in detail


def test_a_body_over_the_limit_is_refused_with_and_without_its_length(client: httpx.Client) -> None:
    """413 by Content-Length before the body is read, and by count where it is chunked."""
    large = part("file", b"x" * (2**20 + 1)) + END
    assert problem_of(client, large)[:2] == (413, "body-too-large")
    answer = client.post("/predict", content=iter([large[: 2**19], large[2**19 :]]), headers=FORM)
    assert (answer.status_code, answer.json()["type"]) == (413, "urn:digitvote:body-too-large")
    assert "At most 1 MiB" in answer.json()["detail"]
