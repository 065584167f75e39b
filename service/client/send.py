"""Files to the service and its answers back, a request for each batch."""

import secrets
import shlex
import stat
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from service.client.rows import Row, failed, label

_BROKEN = (0.2, 0.5, 1.0)  # seconds until what met a broken connection is sent again
_BUSY = 60  # times that a 503 or 429 is met by waiting as it says
_STARTING = 300  # times that a service that is starting is asked again, a second after the other
_SECONDS = httpx.Timeout(300, connect=10)  # a request may wait for others, and for the models to be loaded
_HEALTH = httpx.Timeout(10)  # seconds: this waits for nothing
_LARGEST = 64 * 2**20  # bytes of a file: the service takes no more in a request unless it is set to
_ARCHIVES = (b"PK\x03\x04", b"PK\x05\x06")  # how a ZIP archive begins; the second is an empty one's
_LATER = (httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.TOO_MANY_REQUESTS)
_NO_KEY = (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN)
_NO_QUORUM = "urn:digitvote:no-quorum"  # of a whole request: the service has failed, and waiting does not help


class NoServiceError(Exception):
    """Nobody answers there, or what is not this service, cannot vote or wants another key; the message says so."""


class Service:
    """A running service, asked over connections that are kept, with a key where it wants one."""

    def __init__(self, url: str, key: str | None = None) -> None:
        self.url = url.rstrip("/")
        self._client = httpx.Client(timeout=_SECONDS, headers={"X-API-Key": key} if key else {})
        self._gone = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._client.close()

    def meet(self, tell: Callable[[str], None]) -> None:
        """Wait for a service that is starting, and tell so; raises NoServiceError if none is there or it has failed."""
        health = self._health()
        if health["state"] == "starting":
            tell(f"{self.url}: the service is starting, {health.get('reason')}. Waiting for it.")
        for _ in range(_STARTING):
            if health["state"] != "starting":
                break
            time.sleep(1)
            health = self._health()
        if health["state"] in ("starting", "failed"):
            raise NoServiceError(f"{self.url}: the service's state is '{health['state']}': {health.get('reason')}.")

    def _health(self) -> dict[str, Any]:
        try:
            health = self._ask("GET", "/health").json()
        except (httpx.TransportError, httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                told = "Name its file, or that of who signed it, in SSL_CERT_FILE"
                raise NoServiceError(f"{self.url}: its certificate is not trusted here ({error}). {told}.") from error
            raise NoServiceError(
                f"{self.url}: no service answers ({error}). Start it with `python -m service`, or give --url."
            ) from error
        except ValueError:
            health = None
        if isinstance(health, dict) and "state" in health:
            return health
        told = "what answers is not this service."
        if isinstance(health, dict) and str(health.get("type")).startswith("urn:digitvote:"):  # as for a wrong host
            told = f"{health.get('title')}. {health.get('detail')}"
        raise NoServiceError(f"{self.url}: {told} Give another --url.")

    def predict(self, paths: Sequence[Path]) -> list[Row]:
        """A row for each file, in order; nothing that is wrong with one, or with all, raises but the key.

        Raises:
            NoServiceError: if the service wants a key, or another.
        """
        contents: dict[Path, bytes] = {}
        rows: dict[Path, Row] = {}
        for path in paths:
            read = self._read(path)
            if isinstance(read, Row):
                rows[path] = read
            else:
                contents[path] = read
        sent = list(contents)
        rows |= zip(sent, self._sent(sent, [contents[path] for path in sent]), strict=True)
        return [rows[path] for path in paths]

    def _read(self, path: Path) -> bytes | Row:
        """What is sent of a file, or why it is not."""
        try:
            status = path.stat()
            if not stat.S_ISREG(status.st_mode):  # to read from a pipe may take forever
                return failed(path, "The file cannot be read", "It is not a regular file.")
            if status.st_size > _LARGEST:
                told = f"It has {status.st_size / 2**20:,.0f} MiB, and {_LARGEST / 2**20:g} MiB are sent at most."
                return failed(path, "The file is too large", f"{told} Send the picture scaled down.")
            content = path.read_bytes()
        except OSError as error:
            return failed(path, "The file cannot be read", error.strerror or str(error))
        if not content:
            return failed(path, "The file is empty", "It holds 0 bytes.")
        if content.startswith(_ARCHIVES):
            field = shlex.quote(f"file=@{label(path)}")
            told = f"Unpack it, or send it alone: curl -F {field} {self.url}/predict/batch"
            return failed(path, "The file is an archive, not a picture", told)
        return content

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
            return _rows(paths, told)
        if answer.status_code == httpx.codes.REQUEST_ENTITY_TOO_LARGE and len(paths) > 1:
            half = len(paths) // 2
            return self._sent(paths[:half], contents[:half]) + self._sent(paths[half:], contents[half:])
        if answer.status_code in _NO_KEY:
            raise NoServiceError(f"{self.url}: {_why(told, answer)}. Give --key, or set DIGITVOTE_KEY.")
        if not isinstance(told, dict):
            told = {"title": "The service did not answer", "detail": f"It gave the status {answer.status_code}."}
        return [Row(label(path), error=told) for path in paths]

    def _ask(
        self, method: str, path: str, headers: dict[str, str] | None = None, body: bytes | None = None
    ) -> httpx.Response:
        """One answer, asked for again where a connection broke, and where a POST is told to come later."""
        seconds = _HEALTH if method == "GET" else _SECONDS
        broken = iter(() if self._gone.is_set() else _BROKEN)
        busy = 0
        while True:
            try:
                answer = self._client.request(method, self.url + path, headers=headers, content=body, timeout=seconds)
            except (httpx.NetworkError, httpx.RemoteProtocolError):
                pause = next(broken, None)
                if pause is None:
                    raise
                time.sleep(pause)
                continue
            busy += 1
            later = method == "POST" and answer.status_code in _LATER
            if not later or _NO_QUORUM in answer.text or busy > _BUSY:
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


def _rows(paths: Sequence[Path], told: Any) -> list[Row]:
    """A row for each file of the answers to them, or that these are not one for each."""
    answers = told.get("answers") if isinstance(told, dict) else None
    if not isinstance(answers, list) or len(answers) != len(paths):
        return [failed(path, "The service did not answer", "Its answers are not one for each file.") for path in paths]
    return [
        Row(label(path), each.get("prediction"), each.get("error")) for path, each in zip(paths, answers, strict=True)
    ]


def _why(told: Any, answer: httpx.Response) -> str:
    return str(told["title"]) if isinstance(told, dict) and "title" in told else f"the status {answer.status_code}"


def _wait(answer: httpx.Response) -> float:
    told = answer.headers.get("retry-after", "")
    return min(30.0, float(told)) if told.isdigit() else 1.0
