"""Pure-ASGI middlewares around the application: the request's id and log line, and the limits."""

import asyncio
import logging
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

import structlog
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service import deadline, metrics, request_id, tracing
from service.errors import BodyTooLarge, Busy, NotReady, ServiceError, TooLate, problem
from service.load import Load
from service.upload import counted, too_large

log = structlog.get_logger("service")

_RETRY = "Try again after the seconds that Retry-After says."
PROBES = ("/health", "/health/live", "/health/ready", "/metrics", "/v2/health/live", "/v2/health/ready")
_ID_HEADER = request_id.HEADER.lower().encode()


class RequestLog:
    """Gives each request its id, in and out, and logs one line about it once it is answered.

    Handlers add what they know to the line by `scope["state"]["log"]`, a dictionary.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        identity = request_id.accept(Headers(scope=scope).get(request_id.HEADER))
        facts: dict[str, object] = tracing.ids(scope)
        # The protocol cancels the task where the sender goes away, and says so by `gone`.
        scope.setdefault("state", {}).update(request_id=identity, log=facts, task=asyncio.current_task())
        started = time.perf_counter()
        status = 0

        async def send_named(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (_ID_HEADER, identity.encode())]
            await send(message)

        try:
            await self.app(scope, receive, send_named)
        except asyncio.CancelledError:  # its sender has gone, or its grace time at shutdown is over
            gone = "gone" in scope["state"]
            if not gone:
                facts["error"] = NotReady.name
            if not gone and not status:
                cut = NotReady("The service shut down before this request was finished. Send it again in a moment.")
                await problem(cut, identity)(scope, receive, send_named)
        except Exception:  # nobody foresaw it: told here, where its request is known, and answered
            log.exception("unexpected error", request_id=identity)
            facts["error"] = ServiceError.name
            if not status:
                await problem(ServiceError(), identity)(scope, receive, send_named)
        finally:
            seconds = time.perf_counter() - started
            metrics.request(scope, status, seconds, facts.get("error"))
            probe = scope["path"] in PROBES and status == HTTPStatus.OK
            log.log(
                # A probe that is content every few seconds is not news.
                logging.DEBUG if probe else logging.INFO,
                "request",
                request_id=identity,
                method=scope["method"],
                path=scope["path"],
                status=status or "not answered",
                ms=round(seconds * 1e3, 2),
                **facts,
            )


@dataclass
class Limit:
    """How large a body may be, how many requests may be in flight and how long one may be expected to wait.

    Nobody is refused for the wait's sake while fewer than `together` are at hand: a batch takes them all.
    """

    max_bytes: int
    max_in_flight: int
    max_wait: float = math.inf  # seconds
    together: int = 0
    in_flight: int = 0
    load: Load = field(default_factory=Load)


class Limits:
    """Refuses what is over a limit before its body is read: large bodies by 413, requests past the bound by 503.

    Paths in `own` have limits of their own; all others share `limit`. Who is not answered within `deadline_ms`, or
    within what its own header says, gets 504; 0 is no deadline. All bodies that are being worked on may have
    `held_bytes` together; the request whose body would be more gets 503.
    """

    def __init__(
        self, app: ASGIApp, limit: Limit, own: Mapping[str, Limit], held_bytes: int, deadline_ms: int = 0
    ) -> None:
        self.app = app
        self.limit = limit
        self.own = own
        self.room = held_bytes
        self.deadline_ms = deadline_ms

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, or refuse it."""
        if scope["type"] != "http" or scope["method"] != "POST":
            if scope["type"] == "http" and scope["method"] == "HEAD":  # the server below leaves the body out
                scope = {**scope, "method": "GET"}
            await self.app(scope, receive, send)
            return
        limit = self.own.get(scope["path"], self.limit)
        try:
            seconds = deadline.seconds(scope["headers"], self.deadline_ms)
            _admit(limit, Headers(scope=scope))
        except ServiceError as refusal:
            await refuse(refusal, scope, receive, send)
            return
        limit.in_flight += 1
        metrics.IN_FLIGHT.inc()
        come, held = False, 0

        def some_came(size: int) -> None:
            nonlocal held
            if size > self.room:
                raise Busy(f"The uploads at hand take all the memory that there is for them. {_RETRY}")
            self.room -= size
            held += size

        def all_come() -> None:
            nonlocal come
            come = True
            limit.load.begin()

        receive = counted(receive, limit.max_bytes, some_came, all_come)
        try:
            if seconds is None:
                await self.app(scope, receive, send)
            else:
                await self._in_time(seconds, scope, receive, send)
        finally:
            self.room += held
            limit.in_flight -= 1
            metrics.IN_FLIGHT.dec()
            if come:
                limit.load.end()

    async def _in_time(self, seconds: float, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request until its deadline; an answer that has begun is not cut off by it."""

        async def send_begun(message: Message) -> None:
            if not clock.expired():
                clock.reschedule(None)
            await send(message)

        try:
            async with asyncio.timeout(seconds) as clock:
                deadline.keep(scope, clock.when())
                await self.app(scope, receive, send_begun)
        except TimeoutError:
            if not clock.expired():
                raise
            await refuse(TooLate(), scope, receive, send)


def _admit(limit: Limit, headers: Headers) -> None:
    """Raise what a request with these headers is refused by, if it is."""
    length = headers.get("content-length", "")
    if length.isdigit() and int(length) > limit.max_bytes:
        raise BodyTooLarge(too_large(limit.max_bytes))
    if limit.in_flight >= limit.max_in_flight:
        raise Busy
    if limit.load.at_hand >= limit.together and (wait := limit.load.wait()) > limit.max_wait:
        raise Busy(f"One request more would wait {wait * 1e3:.0f} ms. {_RETRY}")


async def refuse(
    error: ServiceError, scope: Scope, receive: Receive, send: Send, headers: Mapping[str, str] | None = None
) -> None:
    """Answer by an error, in place of the application, and have the request's line tell which."""
    scope["state"]["log"]["error"] = error.name
    await problem(error, scope["state"]["request_id"], headers)(scope, receive, send)
