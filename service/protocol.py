"""uvicorn's HTTP, bounded in what a sender may do before the application is asked and after it has answered."""

import asyncio
from collections.abc import Callable
from typing import ClassVar

import httptools
import structlog
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from service import metrics, request_id
from service.errors import BadRequest, HeadTooLarge, ServiceError, SlowHead, problem
from service.settings import Settings

log = structlog.get_logger("service")

HEAD_BYTES = 32 * 2**10  # of a request's first line and header fields together
FIELDS = 100  # of a header
_LEFT_BYTES = 64 * 2**20  # of a body whose request was answered, that are still read
_LINGER = 1.0  # seconds in which a sender that was cut off may take its answer


class Protocol(HttpToolsProtocol):
    """One connection.

    A head that is too large, too slow or no HTTP is answered here and the connection closed, as is one on which nothing
    comes. Where the sender goes away, the task that works on its request is cancelled.
    """

    head_seconds: ClassVar[float]
    body_seconds: ClassVar[float]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for a first request."""
        super().connection_made(transport)
        self._in_head = True  # of a request that has come in part, or not at all
        self._loose = 0  # bytes that have come since the last whole head or piece of a body
        self._left = 0  # bytes of a body that nobody wants any more
        self._wrong: ServiceError | None = None
        self._refused = False
        self._running: RequestResponseCycle | None = None  # not the last that came, where several came at once
        self._reading: asyncio.TimerHandle | None = None
        self._writing: asyncio.TimerHandle | None = None
        self._end_after(self.head_seconds, self._head_is_slow)

    def data_received(self, data: bytes) -> None:
        """Parse what has come."""
        if self._refused:
            return
        self._unset_keepalive_if_required()
        self._loose += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:  # it asks for another protocol, and is answered in this one
            self.cycle.keep_alive = False
        except httptools.HttpParserError:
            self._refuse(self._wrong or BadRequest("This is no HTTP/1.1. Let an HTTP client write the request."))
            return
        if self._loose > HEAD_BYTES:
            self._refuse(HeadTooLarge())
        elif self._loose and self._in_head and self._reading is None:
            self._end_after(self.head_seconds, self._head_is_slow)

    def on_headers_complete(self) -> None:
        """Have a request answered, if its head is not too large."""
        if len(self.headers) > FIELDS or (self._loose > HEAD_BYTES and self._head_size() > HEAD_BYTES):
            self._wrong = HeadTooLarge()
            raise self._wrong
        self._in_head = False
        self._loose = 0
        self._go_on()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Keep a piece of a body, or throw it away where its request was answered."""
        self._loose = 0
        super().on_body(body)
        if self.cycle.response_complete:
            self._left += len(body)
            if self._left > _LEFT_BYTES:
                self.transport.close()

    def on_message_complete(self) -> None:
        """Another head may come."""
        self._in_head = True
        self._loose = 0
        self._go_on()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Read on what is still coming of the request that was answered, so that its sender reads the answer."""
        super().on_response_complete()
        if not self._in_head and self.cycle.response_complete and not self.transport.is_closing():
            self._left = 0
            self._end_after(self.body_seconds, self.transport.close)

    def pause_writing(self) -> None:
        """Give the reader of a long answer some time to take what was sent."""
        super().pause_writing()
        self._writing = self.loop.call_later(self.body_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """It was taken."""
        super().resume_writing()
        if self._writing is not None:
            self._writing.cancel()

    def connection_lost(self, exc: Exception | None) -> None:
        """Have nobody work any more for a sender who has gone."""
        super().connection_lost(exc)
        self._go_on()
        if self._writing is not None:
            self._writing.cancel()
        if self._running is not None and not self._running.response_complete:
            state = self._running.scope["state"]
            state["gone"] = True
            if task := state.get("task"):
                task.cancel()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def send_400_response(self, msg: str) -> None:
        """Answer what is no request; `msg` says why."""
        self._refuse(BadRequest(msg))

    def _unsupported_upgrade_warning(self) -> None:
        """Whoever asks for another protocol is answered, and nothing is logged of it."""

    def _head_size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers)

    def _end_after(self, seconds: float, end: Callable[[], None]) -> None:
        self._go_on()
        self._reading = self.loop.call_later(seconds, end)

    def _go_on(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def _head_is_slow(self) -> None:
        if self._loose:
            self._refuse(SlowHead())
        else:  # a connection on which nothing came, as load balancers and scanners make them
            self.transport.close()

    def _refuse(self, error: ServiceError) -> None:
        """Answer by an error and close the connection."""
        self._refused = True
        if self.transport.is_closing():
            return
        if self.cycle is not None and not self.cycle.response_complete:  # the answer would be taken for that request's
            self.transport.close()
            return
        identity = request_id.new()
        response = problem(error, identity)
        response.headers[request_id.HEADER] = identity
        response.headers["connection"] = "close"
        fields = [b"%b: %b\r\n" % field for field in (*self.server_state.default_headers, *response.raw_headers)]
        self.transport.write(b"".join([STATUS_LINE[error.status], *fields, b"\r\n", bytes(response.body)]))
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._end_after(_LINGER, self.transport.close)
        metrics.request({"path": "", "method": ""}, error.status, 0, error.name)
        log.info("request", request_id=identity, status=error.status, error=error.name)


def bounded(settings: Settings) -> type[Protocol]:
    """The protocol with the bounds of these settings."""

    class Bounded(Protocol):
        head_seconds = settings.head_seconds
        body_seconds = settings.body_seconds

    return Bounded
