"""Until when a request must be answered: so long as the settings allow, or less where its sender says so."""

import asyncio
from collections.abc import Iterable

from starlette.types import Scope

from service.errors import BadRequest

# The first is a client's own; the second is what Envoy tells those behind it, Istio and KServe with it.
HEADERS = (b"x-request-timeout-ms", b"x-envoy-expected-rq-timeout-ms")
_MOST_DIGITS = 9
_KEY = "deadline"


def seconds(headers: Iterable[tuple[bytes, bytes]], most_ms: int) -> float | None:
    """How long a request with these headers may take from now on; None: as long as it does.

    Args:
        headers: as ASGI has them.
        most_ms: milliseconds that any request may take; 0 is no bound.

    Raises:
        BadRequest: if a sender's number is none.
    """
    least = most_ms
    for name, value in headers:
        if name in HEADERS:
            if not (value.isdigit() and len(value) <= _MOST_DIGITS and int(value)):
                told = value.decode("latin-1")
                raise BadRequest(f"{name.decode()}: {told!r} is no number of milliseconds from 1 on.")
            least = min(least or int(value), int(value))
    return least / 1e3 if least else None


def keep(scope: Scope, moment: float | None) -> None:
    """Write down by when, on the event loop's clock, a request must be answered."""
    scope["state"][_KEY] = moment


def left(scope: Scope) -> asyncio.Timeout:
    """A block that raises TimeoutError once a request's deadline has passed, if it has one."""
    return asyncio.timeout_at(scope["state"].get(_KEY))
