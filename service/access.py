"""Who may ask: pure-ASGI middlewares for the names of this host, for keys, and for how often each sender may."""

import ipaddress
import re
from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI
from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service import metrics
from service.errors import NoKey, ServiceError, TooOften, WrongHost, WrongKey, responses
from service.guard import PROBES, refuse
from service.keys import Key, name_of, sent_key
from service.rate import Buckets, Grant
from service.settings import Settings

REFUSALS = (NoKey, WrongKey, TooOften, WrongHost)  # none of which there is by default

# Pages, probes and what describes the service need no key: nothing is uploaded or changed by them.
OPEN = ("GET", "HEAD", "OPTIONS")
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="digitvote"'}
_EXPOSED = ("X-Request-ID", "Retry-After", "RateLimit", "RateLimit-Policy")
_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")  # by which probes ask, and no page of another site can
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::\d{1,5})?")
_SCHEMES = {"bearer": {"type": "http", "scheme": "bearer"}, "header": {"type": "apiKey", "in": "header"}}


def guard(app: FastAPI, settings: Settings) -> None:
    """Add the middlewares that these settings ask for; by default there is none."""
    if settings.api_keys or settings.rate:
        buckets = Buckets(settings.rate, settings.burst) if settings.rate else None
        app.add_middleware(Access, keys=settings.api_keys, buckets=buckets)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=("GET", "POST"),
            allow_headers=("*",),
            expose_headers=_EXPOSED,
        )
    if "*" not in settings.hosts:
        app.add_middleware(Hosts, hosts=settings.hosts)


class Access:
    """Lets pass who sends one of the keys, if there are any, and not more often than its bucket allows.

    Without keys each address has a bucket, of IPv6 each /64 network.
    """

    def __init__(self, app: ASGIApp, keys: Sequence[Key], buckets: Buckets | None) -> None:
        self.app = app
        self.keys = keys
        self.buckets = buckets

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, or refuse it."""
        if scope["type"] != "http" or scope["method"] in OPEN:
            await self.app(scope, receive, send)
            return
        sender = self._sender(scope)
        if isinstance(sender, ServiceError):
            await refuse(sender, scope, receive, send, _CHALLENGE if isinstance(sender, NoKey) else {})
            return
        if self.buckets is None:
            await self.app(scope, receive, send)
            return
        grant = self.buckets.take(sender)
        told = _told(self.buckets, grant)
        if not grant.allowed:
            after = {"Retry-After": str(max(1, grant.next_seconds))}
            await refuse(TooOften(), scope, receive, send, {**told, **after})
            return
        raw = [(name.lower().encode(), value.encode()) for name, value in told.items()]

        async def send_told(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *raw]
            await send(message)

        await self.app(scope, receive, send_told)

    def _sender(self, scope: Scope) -> str | ServiceError:
        """Whose bucket the request takes from, or why it is refused."""
        if not self.keys:
            return _network(scope["client"])
        key = sent_key(scope["headers"])
        if key is None:
            return NoKey()
        name = name_of(self.keys, key)
        if name is None:
            return WrongKey()
        scope["state"]["log"]["key"] = name
        metrics.keyed(name)
        return name


class Hosts:
    """Refuses requests for another host than these or this machine; `*.example.org` is any below example.org.

    Probes pass: orchestrators and Prometheus ask by an address that nobody knows before.
    """

    def __init__(self, app: ASGIApp, hosts: Sequence[str]) -> None:
        self.app = app
        self._names = {*_LOOPBACK, *(host for host in hosts if not host.startswith("*"))}
        self._ends = tuple(host[1:] for host in hosts if host.startswith("*"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, or refuse it."""
        if scope["type"] != "http" or scope["path"] in PROBES or self._meant(Headers(scope=scope).getlist("host")):
            await self.app(scope, receive, send)
        else:
            await refuse(WrongHost(), scope, receive, send)

    def _meant(self, told: Sequence[str]) -> bool:
        found = _HOST.fullmatch(told[0].lower()) if len(told) == 1 else None  # of two a proxy may have taken the other
        return found is not None and (found[1] in self._names or found[1].endswith(self._ends))


def described(document: dict[str, Any], settings: Settings) -> dict[str, Any]:
    """Add to an OpenAPI document what these settings ask of each request, and how it may be refused."""
    named = (WrongHost,) if "*" not in settings.hosts else ()
    closed = [*((NoKey, WrongKey) if settings.api_keys else ()), *((TooOften,) if settings.rate else ())]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            errors = [*(() if path in PROBES else named), *(() if method.upper() in OPEN else closed)]
            operation["responses"] |= {str(status): entry for status, entry in responses(*errors).items()}
            if settings.api_keys and method.upper() not in OPEN:
                operation["security"] = [{name: []} for name in _SCHEMES]
    if settings.api_keys:
        header = {**_SCHEMES["header"], "name": "X-API-Key"}
        document["components"]["securitySchemes"] = {**_SCHEMES, "header": header}
    return document


def _told(buckets: Buckets, grant: Grant) -> dict[str, str]:
    """The fields of draft-ietf-httpapi-ratelimit-headers-10."""
    return {
        "RateLimit-Policy": f'"requests";q={buckets.burst};w={buckets.window}',
        "RateLimit": f'"requests";r={grant.left};t={grant.full_seconds}',
    }


def _network(client: tuple[str, int] | None) -> str:
    """An address, of IPv6 its /64: whoever has one of these has them all."""
    address = client[0] if client else ""
    if ":" not in address:
        return address
    try:
        found = ipaddress.IPv6Address(address.partition("%")[0])
    except ValueError:  # as a proxy wrote it
        return address
    # As a proxy writes an IPv4 address that listens for both: all of them would lie in one network.
    return str(found.ipv4_mapped or ipaddress.IPv6Network((found, 64), strict=False))
