"""A pure-ASGI middleware that shows problems as pages to who asks for a page: a browser that goes to an address."""

import json

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import MEDIA_TYPE
from service.html import page, words

_KEPT = ("retry-after", "allow", "vary", "www-authenticate", "ratelimit", "ratelimit-policy")


class ProblemPages:
    """Answers `application/problem+json` as HTML where the request's Accept names text/html; programs get JSON."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http" or "text/html" not in Headers(scope=scope).get("accept", ""):
            await self.app(scope, receive, send)
            return
        start: Message | None = None
        body = b""

        async def send_page(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start":
                if Headers(raw=message["headers"]).get("content-type") != MEDIA_TYPE:
                    await send(message)
                    return
                start = message
            elif start is None:
                await send(message)
            elif message["type"] == "http.response.body":
                body += message.get("body", b"")
                if not message.get("more_body", False):
                    await _answer(start, body, scope, receive, send)

        await self.app(scope, receive, send_page)


async def _answer(start: Message, body: bytes, scope: Scope, receive: Receive, send: Send) -> None:
    problem = json.loads(body)
    in_words = words()["errors"].get(problem["type"].rpartition(":")[2], problem)
    response = page("problem", Request(scope), start["status"], problem=problem, told=in_words)
    told = Headers(raw=start["headers"])
    headers = MutableHeaders(raw=response.raw_headers)
    headers.update({name: told[name] for name in _KEPT if name in told})
    await response(scope, receive, send)
