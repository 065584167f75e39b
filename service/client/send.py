"""Files to the service and its answers back, a request for each batch."""

import secrets
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from service.client.rows import Row, failed, label

_BROKEN = (0.2, 0.5, 1.0)  # seconds until what met a broken connection is sent again
_BUSY = 60  # times that a 503 is met by waiting as it says
_SECONDS = httpx.Timeout(300, connect=10)  # a request may wait for others, and for the models to be loaded


class NoServiceError(Exception):
    """Nobody answers there, or something that is not this service; the message says so."""


class Service:
    """A running service, asked over connections that are kept."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._client = httpx.Client(timeout=_SECONDS)
        self._gone = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._client.close()

    def meet(self) -> None:
        """Raise NoServiceError unless a service answers, ready or not."""
        try:
            health = self._ask("GET", "/health").json()
        except (httpx.TransportError, httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise NoServiceError(
                f"{self.url}: no service answers ({error}). Start it with `python -m service`, or give --url."
            ) from error
        except ValueError:
            health = None
        if not isinstance(health, dict) or "state" not in health:
            raise NoServiceError(f"{self.url}: what answers is not this service. Give another --url.")

    def predict(self, paths: Sequence[Path]) -> list[Row]:
        """A row for each file, in order; nothing that is wrong with one, or with all, raises."""
        contents: dict[Path, bytes] = {}
        rows: dict[Path, Row] = {}
        for path in paths:
            try:
                contents[path] = path.read_bytes()
            except OSError as error:
                rows[path] = failed(path, "The file cannot be read", error.strerror or str(error))
        sent = list(contents)
        rows |= zip(sent, self._sent(sent, [contents[path] for path in sent]), strict=True)
        return [rows[path] for path in paths]

    def _sent(self, paths: Sequence[Path], contents: Sequence[bytes]) -> list[Row]:
        if not paths:
            return []
        line = secrets.token_hex(16)
        headers = {"Content-Type": f"multipart/form-data; boundary={line}", "Accept": "application/json"}
        try:
            answer = self._ask("POST", "/predict/batch", headers, form(line, paths, contents))
            told = answer.json()
        except (httpx.TransportError, ValueError) as error:
            self._gone.set()
            return [failed(path, "The service did not answer", f"{error or type(error).__name__}") for path in paths]
        if answer.status_code == httpx.codes.OK:
            return [_row(path, each) for path, each in zip(paths, told["answers"], strict=True)]
        if answer.status_code == httpx.codes.REQUEST_ENTITY_TOO_LARGE and len(paths) > 1:
            half = len(paths) // 2
            return self._sent(paths[:half], contents[:half]) + self._sent(paths[half:], contents[half:])
        return [Row(label(path), error=told) for path in paths]

    def _ask(
        self, method: str, path: str, headers: dict[str, str] | None = None, body: bytes | None = None
    ) -> httpx.Response:
        """One answer, asked for again where a connection broke, and where a POST is told to come later."""
        broken = iter(() if self._gone.is_set() else _BROKEN)
        busy = 0
        while True:
            try:
                answer = self._client.request(method, self.url + path, headers=headers, content=body)
            except (httpx.NetworkError, httpx.RemoteProtocolError):
                pause = next(broken, None)
                if pause is None:
                    raise
                time.sleep(pause)
                continue
            busy += 1
            if method == "GET" or answer.status_code != httpx.codes.SERVICE_UNAVAILABLE or busy > _BUSY:
                return answer
            time.sleep(_wait(answer))


def form(line: str, paths: Sequence[Path], contents: Sequence[bytes]) -> bytes:
    """A multipart form written out: sent in one piece it costs a fraction of one that is put together part by part."""
    parts: list[bytes] = []
    for path, content in zip(paths, contents, strict=True):
        name = label(path).replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
        head = f'--{line}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
        parts += [head.encode(), content, b"\r\n"]
    return b"".join([*parts, f"--{line}--\r\n".encode()])


def _row(path: Path, answer: dict[str, Any]) -> Row:
    return Row(label(path), answer.get("prediction"), answer.get("error"))


def _wait(answer: httpx.Response) -> float:
    told = answer.headers.get("retry-after", "")
    return min(30.0, float(told)) if told.isdigit() else 1.0
