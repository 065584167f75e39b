import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.protocol import FIELDS, HEAD_BYTES
from tests.held import held_by
from tests.service.waiting import counted
from tests.support import Process, drawing, encoded, serving
from tests.waiting import until

PICTURE = encoded(drawing())
FORM = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n%b\r\n--x--\r\n' % PICTURE
POST = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=x\r\n"
SMALL: dict[str, Any] = {"head_seconds": 0.5, "body_seconds": 0.7, "keep_alive": 1, "max_bytes": 2**20, "log": "json"}


@pytest.fixture(scope="module")
def server(artifacts: Path) -> Iterator[Process]:
    """A service with little patience."""
    with serving(artifacts, **SMALL) as server:
        yield server


@contextmanager
def connected(server: Process) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", int(server.url.rsplit(":", 1)[1])), timeout=20) as connection:
        yield connection


def rest(connection: socket.socket) -> bytes:
    """All that comes until the other side closes, or cuts the connection off."""
    told = b""
    try:
        while piece := connection.recv(65536):
            told += piece
    except ConnectionResetError:
        pass
    return told


def trickled(connection: socket.socket, pieces: Iterator[bytes]) -> bytes:
    """What the other side says, which is sent a piece ten times a second until it closes."""
    told = b""
    connection.settimeout(0.1)
    while True:
        try:
            if not (answer := connection.recv(65536)):
                return told
            told += answer
        except TimeoutError:
            with suppress(OSError):  # it closed a moment ago, as is read next
                connection.sendall(next(pieces))
        except ConnectionResetError:
            return told


def forever(start: bytes, piece: bytes) -> Iterator[bytes]:
    """A start, and a piece again and again: not quite for ever, so that a test that fails ends."""
    return chain([start], repeat(piece, 600))


def problem(answer: bytes) -> tuple[int, str]:
    """Status and name of a problem as it came, of one answer."""
    head, body = answer.split(b"\r\n\r\n", 1)
    assert b"content-type: application/problem+json" in head
    told = json.loads(body)
    assert head.startswith(b"HTTP/1.1 %d " % told["status"])
    assert told["request_id"].encode() in head
    return told["status"], told["type"].removeprefix("urn:digitvote:")


def test_a_connection_on_which_nothing_comes_is_closed(server: Process) -> None:
    """Whoever connects and is silent is told nothing and closed."""
    with connected(server) as connection:
        assert rest(connection) == b""


def test_a_header_that_comes_byte_by_byte_is_cut_off(server: Process) -> None:
    """A head that is not whole in time gets 408, whether it is the connection's first or not."""
    with connected(server) as connection:
        assert problem(trickled(connection, forever(b"GET /health HTTP/1.1\r\nX: ", b"a"))) == (408, "slow-head")
    with connected(server) as connection:
        connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
        told = trickled(connection, forever(b"GET /", b"a"))
        first, second = told.split(b"HTTP/1.1 408 ")
        assert first.startswith(b"HTTP/1.1 200 OK")
        assert problem(b"HTTP/1.1 408 " + second) == (408, "slow-head")


def test_empty_lines_for_ever_are_cut_off(server: Process) -> None:
    """Line breaks before a request do not keep a connection open."""
    with connected(server) as connection:
        assert problem(trickled(connection, forever(b"\r\n", b"\r\n"))) == (408, "slow-head")


@pytest.mark.parametrize(
    "head",
    [
        b"GET /health HTTP/1.1\r\nX: " + b"a" * HEAD_BYTES + b"\r\n\r\n",
        b"GET /health HTTP/1.1\r\nX: " + b"a" * 20 * HEAD_BYTES,
        b"GET /" + b"a" * HEAD_BYTES + b" HTTP/1.1\r\n\r\n",
        b"GET /health HTTP/1.1\r\n" + b"X: a\r\n" * (FIELDS + 1) + b"\r\n",
        b"GET /health HTTP/1.1\r\n" + b"X: a\r\n" * HEAD_BYTES,
    ],
    ids=["long field", "endless field", "long address", "many fields", "endless fields"],
)
def test_a_head_over_the_limit_gets_431(server: Process, head: bytes) -> None:
    """Its bytes and its fields are bounded, whether it ends or not."""
    with connected(server) as connection:
        connection.sendall(head)
        assert problem(rest(connection)) == (431, "head-too-large")


def test_a_head_within_the_limits_is_taken(server: Process) -> None:
    """Many long fields are no error, nor is a body that comes with them in one piece."""
    fields = b"".join(b"X-%d: %b\r\n" % (number, b"a" * 250) for number in range(FIELDS - 5))
    with connected(server) as connection:
        connection.sendall(POST + fields + b"Content-Length: %d\r\n\r\n%b" % (len(FORM), FORM))
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 OK")


@pytest.mark.parametrize("piece", [b"0\r\nX: " + b"a" * 2 * HEAD_BYTES, b"5;" + b"a" * 2 * HEAD_BYTES])
def test_what_stands_beside_a_chunked_body_is_bounded_too(server: Process, piece: bytes) -> None:
    """Fields after the body, and what is added to a chunk's length, do not go on for ever."""
    with connected(server) as connection:
        connection.sendall(POST + b"Transfer-Encoding: chunked\r\n\r\n")
        with suppress(OSError):  # where it has had enough
            for start in range(0, len(piece), 8192):
                connection.sendall(piece[start : start + 8192])
        assert b"HTTP/1.1 200" not in rest(connection)


def test_what_is_no_http_is_a_problem_too(server: Process) -> None:
    """Garbage gets 400 as problem+json, and the line in the log has its id."""
    with connected(server) as connection:
        connection.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
        answer = rest(connection)
        assert problem(answer) == (400, "bad-request")
    identity = json.loads(answer.split(b"\r\n\r\n", 1)[1])["request_id"]
    until(lambda: any(identity in line and '"status": 400' in line for line in server.output))


def test_a_connection_without_a_request_is_closed_after_a_while(server: Process) -> None:
    """Between two requests a connection stays open, for DIGITVOTE_KEEP_ALIVE seconds."""
    with connected(server) as connection:
        for _ in range(2):
            connection.sendall(b"HEAD /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
            assert connection.recv(65536).startswith(b"HTTP/1.1 200 OK")
        assert rest(connection) == b""


def test_a_refused_body_is_read_so_that_the_refusal_is_read(server: Process) -> None:
    """A body over the limit is thrown away as it comes, and the next request over that connection is answered."""
    with connected(server) as connection:
        connection.sendall(POST + b"Content-Length: 4000000\r\n\r\n")
        for _ in range(40):
            connection.sendall(b"x" * 100_000)
        assert connection.recv(65536).startswith(b"HTTP/1.1 413")
        connection.sendall(POST + b"Content-Length: %d\r\n\r\n%b" % (len(FORM), FORM))
        assert b"HTTP/1.1 200 OK" in connection.recv(65536)


def test_a_refused_body_that_never_ends_is_cut_off(server: Process) -> None:
    """What is left of a body after its answer is read for DIGITVOTE_BODY_SECONDS and no longer."""
    with connected(server) as connection:
        told = trickled(connection, forever(POST + b"Content-Length: 4000000\r\n\r\n", b"x"))
        assert told.startswith(b"HTTP/1.1 413")


def test_a_body_that_comes_byte_by_byte_is_cut_off(server: Process) -> None:
    """An upload that is not whole in time gets 408, and its connection ends."""
    with connected(server) as connection:
        told = trickled(connection, forever(POST + b"Content-Length: 4000\r\n\r\n", b"x"))
        assert told.startswith(b"HTTP/1.1 408")
        assert b"slow-body" in told


def test_who_asks_for_another_protocol_is_answered_in_this_one(server: Process) -> None:
    """An upgrade to HTTP/2 or to a web socket is not taken, and the request beside it is answered."""
    for protocol in (b"h2c", b"websocket"):
        with connected(server) as connection:
            ask = b"GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: %b\r\n\r\n" % protocol
            connection.sendall(ask)
            assert rest(connection).startswith(b"HTTP/1.1 200 OK")


def test_refusals_before_a_request_are_counted(server: Process) -> None:
    """Who is refused by the connection itself stands in the metrics by the error."""
    before = counted(server, "refusals_total", error="head-too-large")
    with connected(server) as connection:
        connection.sendall(b"GET /" + b"a" * 2 * HEAD_BYTES)
        rest(connection)
    assert counted(server, "refusals_total", error="head-too-large") == before + 1


def test_head_is_answered_wherever_get_is(server: Process) -> None:
    """HEAD gives GET's status and headers and no body, on pages, probes and the documents."""
    for path in ("/health", "/health/live", "/health/ready", "/metrics", "/models", "/", "/openapi.json"):
        with_body, without = httpx.get(server.url + path), httpx.head(server.url + path)
        assert (without.status_code, without.content) == (with_body.status_code, b""), path
        assert without.headers["content-type"] == with_body.headers["content-type"]
    assert httpx.head(f"{server.url}/predict").status_code == 405


@pytest.fixture(scope="module")
def holding(artifacts: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Process, Path]]:
    """A service that takes two uploads at a time and one picture a batch, and the file that holds its batches up."""
    gate = tmp_path_factory.mktemp("held") / "gate"
    with serving(artifacts, command=held_by(gate), queue=2, max_batch=1, wait_ms=100_000, log="json") as server:
        yield server, gate


@pytest.fixture
def held(holding: tuple[Process, Path]) -> Iterator[tuple[Process, Path]]:
    """The same, while it holds its batches up."""
    server, gate = holding
    gate.touch()
    yield holding
    gate.unlink(missing_ok=True)
    assert httpx.post(f"{server.url}/predict", files={"file": PICTURE}, timeout=30).status_code == 200


def in_flight(server: Process, number: int) -> Callable[[], bool]:
    return lambda: counted(server, "in_flight") == number


def test_who_goes_away_frees_a_place(held: tuple[Process, Path]) -> None:
    """Of two uploads that wait both senders leave: both places are free at once, and the one not begun is dropped."""
    server, gate = held
    batched = counted(server, "batch_size_sum")
    request = POST + b"Content-Length: %d\r\n\r\n%b" % (len(FORM), FORM)
    with connected(server) as first, connected(server) as second:
        first.sendall(request)
        second.sendall(request)
        until(in_flight(server, 2))
        assert httpx.post(f"{server.url}/predict", files={"file": PICTURE}).status_code == 503
    until(in_flight(server, 0))
    gate.unlink()
    assert httpx.post(f"{server.url}/predict", files={"file": PICTURE}).status_code == 200
    assert counted(server, "batch_size_sum") == batched + 2
    assert counted(server, "requests_total", route="/predict", method="POST", status="0") == 2
    assert "Traceback" not in "".join(server.output)


def test_who_goes_away_amid_an_upload_frees_a_place(held: tuple[Process, Path]) -> None:
    """A body of which only a part came counts no more once its sender has gone."""
    server, _ = held
    with connected(server) as connection:
        connection.sendall(POST + b"Content-Length: 4000\r\n\r\nsome")
        until(in_flight(server, 1))
    until(in_flight(server, 0))


def test_who_goes_away_ends_the_first_of_several_requests(held: tuple[Process, Path]) -> None:
    """Of requests that were sent at once the one that is worked on ends, not the one that came last."""
    server, _ = held
    with connected(server) as connection:
        connection.sendall((POST + b"Content-Length: %d\r\n\r\n%b" % (len(FORM), FORM)) * 3)
        until(in_flight(server, 1))
    until(in_flight(server, 0))


def test_who_goes_away_ends_the_work_on_many_pictures(held: tuple[Process, Path]) -> None:
    """An answer to many pictures that has begun ends with its reader."""
    server, _ = held
    head = POST.replace(b"/predict", b"/predict/batch")
    with connected(server) as connection:
        connection.sendall(head + b"Content-Length: %d\r\n\r\n%b" % (len(FORM), FORM))
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 OK")
    until(in_flight(server, 0))


def test_a_deadline_is_kept_and_the_work_dropped(held: tuple[Process, Path]) -> None:
    """By its own header a request gets 504 while batches hang, and its picture reaches none."""
    server, gate = held
    batched = counted(server, "batch_size_sum")
    for header in ("X-Request-Timeout-Ms", "x-envoy-expected-rq-timeout-ms"):
        late = httpx.post(f"{server.url}/predict", files={"file": PICTURE}, headers={header: "100"}, timeout=20)
        assert (late.status_code, late.json()["type"]) == (504, "urn:digitvote:too-late")
    until(in_flight(server, 0))
    gate.unlink()
    assert httpx.post(f"{server.url}/predict", files={"file": PICTURE}).status_code == 200
    assert counted(server, "batch_size_sum") <= batched + 2  # the first may have been in its batch already


def test_of_many_pictures_each_has_the_deadline(held: tuple[Process, Path]) -> None:
    """Once an answer to many pictures has begun, those that are late are errors in their places."""
    server, _ = held
    files = [("file", PICTURE)] * 3
    answer = httpx.post(
        f"{server.url}/predict/batch", files=files, headers={"X-Request-Timeout-Ms": "200"}, timeout=20
    ).json()
    assert (answer["answered"], answer["failed"]) == (0, 3)
    assert {each["error"]["type"] for each in answer["answers"]} == {"urn:digitvote:too-late"}
