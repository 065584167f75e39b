"""A route that FastAPI documents and stays out of."""

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.types import Receive, Scope, Send


class Direct(APIRoute):
    """Hands the request to its endpoint and sends the response that it returns.

    Its entry in the OpenAPI document is made as any other's; the application that FastAPI builds around the endpoint is
    never asked. Solving dependencies and validating what was just made would cost more than reading the digit does.
    """

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; what the endpoint raises is the application's to answer."""
        if scope["method"] not in (self.methods or ()):
            await super().handle(scope, receive, send)
            return
        response = await self.endpoint(Request(scope, receive, send))
        await response(scope, receive, send)
