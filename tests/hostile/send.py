"""Requests as bytes on a socket, and the answers held against what the service documents."""

import json
import socket
import time
from contextlib import closing, suppress
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Any

import httpx
from PIL import Image

from service.errors import MEDIA_TYPE, all_errors
from tests.hostile.forms import END, FORM, part
from tests.mnist import digits, labels
from tests.support import encoded

PATIENCE = 20.0  # seconds without a byte: that is a hang
_KNOWN = {f"urn:digitvote:{row.name}": row.status for row in all_errors()}


class Problem(AssertionError):
    """An answer is not as it must be."""


@dataclass(frozen=True)
class Answer:
    """What came back; the status is 0 where the connection was closed without an answer."""

    status: int
    seconds: float
    content_type: str = ""
    body: bytes = b""


def request(path: str, body: bytes, content_type: str, *more: str) -> bytes:
    """A POST on a connection of its own, with more headers."""
    lines = [f"POST {path} HTTP/1.1", "Host: x", "Connection: close", f"Content-Length: {len(body)}", *more]
    return "\r\n".join([*lines, f"Content-Type: {content_type}", "", ""]).encode("latin-1", "replace") + body


def sent(address: tuple[str, int], content: bytes) -> Answer:
    """The first answer to a request, or to what looks like one.

    Raises:
        Problem: if none comes, and the connection stays open.
    """
    started = time.monotonic()
    with socket.create_connection(address, PATIENCE) as connection:
        try:
            with suppress(
                BrokenPipeError, ConnectionResetError
            ):  # refused unread: its answer may be there all the same
                connection.sendall(content)
            with closing(HTTPResponse(connection)) as response:
                response.begin()
                body = response.read()
        except TimeoutError:
            raise Problem(f"nothing came for {PATIENCE:.0f} s") from None
        except (HTTPException, ConnectionResetError):
            return Answer(0, time.monotonic() - started)
    return Answer(response.status, time.monotonic() - started, response.headers.get_content_type(), body)


class Service:
    """A running service, and what its OpenAPI document says that it answers."""

    def __init__(self, url: str, process: int) -> None:
        self.address = ("127.0.0.1", int(url.rsplit(":", 1)[1]))
        self.process = process
        paths = httpx.get(f"{url}/openapi.json").json()["paths"]
        self._documented = {
            path: {int(status) for status in operations["post"]["responses"]}
            for path, operations in paths.items()
            if "post" in operations
        }
        self._documented["/"] = self._documented["/predict"] | self._documented["/read"]
        self._good = request("/predict", part(encoded(Image.fromarray(digits()[0]))) + END, FORM)
        self.ask_good()
        self.before = self.peak()

    def ask(self, path: str, content: bytes) -> Answer:
        """Send a request to a path; where that is none, it is for HTTP's parser more than for the service.

        Raises:
            Problem: if the answer is not documented, is an error of the service, or is not in its form.
        """
        answer = sent(self.address, content)
        if not path:
            if answer.status >= 500:
                raise Problem(f"{answer.status}: {answer.body[:200]!r}")
            return answer
        if answer.status >= 500 or answer.status not in self._documented[path]:
            raise Problem(f"{answer.status} is not documented, or an error of the service: {answer.body[:200]!r}")
        if answer.status >= 400:
            if answer.content_type != MEDIA_TYPE:
                raise Problem(f"an error as {answer.content_type}: {answer.body[:200]!r}")
            check(json.loads(answer.body))
        elif path == "/predict/batch":
            for each in json.loads(answer.body)["answers"]:
                if error := each.get("error"):
                    check(error)
        return answer

    def ask_good(self) -> None:
        """Send a digit that is read right.

        Raises:
            Problem: if it is not.
        """
        answer = self.ask("/predict", self._good)
        if answer.status != 200 or json.loads(answer.body)["label"] != int(labels()[0]):
            raise Problem(f"a good digit was answered by {answer.status}: {answer.body[:200]!r}")

    def peak(self) -> float:
        """MiB of memory that its process had at most."""
        return int(Path(f"/proc/{self.process}/status").read_text().split("VmHWM:")[1].split()[0]) / 1024

    def descriptors(self) -> int:
        """How many files and sockets it has open."""
        return len(list(Path(f"/proc/{self.process}/fd").iterdir()))


def check(problem: dict[str, Any]) -> None:
    """Hold an error against the table of errors; none of the service's own is one that a sender may cause."""
    status = _KNOWN.get(problem["type"])
    if status is None or status >= 500 or status != problem["status"] or not problem["detail"]:
        raise Problem(f"not an error of the table: {problem}")
