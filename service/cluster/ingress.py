"""The deployment that takes requests: the service's own application, as one process serves it."""

import asyncio
from typing import Any

from ray import serve
from ray.serve.handle import DeploymentHandle
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from service import logs, metrics
from service.app import create_app
from service.cluster import replica
from service.cluster.ensemble import RemoteEnsemble
from service.cluster.gatherer import Gatherer
from service.cluster.replica import Numbers
from service.request_id import HEADER
from service.schemas import State
from service.settings import Settings

ID_HEADER = HEADER.lower().encode()


class Ingress:
    """Builds the application in each replica; Ray hands it what its proxies receive."""

    async def __init__(  # type: ignore[misc]  # Ray awaits it
        self, settings: Settings, vote: DeploymentHandle[Any], decode: DeploymentHandle[Any]
    ) -> None:
        logs.configure(settings.log, settings.log_level)
        context = serve.get_replica_context()
        mine = serve.get_deployment_handle(context.deployment, context.app_name)
        metrics.gather(Gatherer((mine, decode, vote), asyncio.get_running_loop()))
        self._settings = settings
        self._ensemble = RemoteEnsemble(settings, vote, decode)

    def __serve_build_asgi_app__(self) -> Any:
        app = create_app(self._settings, self._ensemble)
        believed = [str(network) for network in self._settings.proxies]
        asgi: Any = _named_once(app)  # uvicorn and starlette have types of their own for the same
        return ProxyHeadersMiddleware(asgi, trusted_hosts=believed) if believed else asgi

    async def health(self) -> tuple[State, str | None]:
        """The state that /health tells, and why it is not `ready`."""
        return self._ensemble.health()

    async def numbers(self) -> Numbers:
        """What this replica has counted."""
        metrics.now(self._ensemble.health()[0], 0)
        return replica.numbers()


def _named_once(app: ASGIApp) -> ASGIApp:
    """The application without the id in its answers' headers: Ray's proxy gives each request one and adds it itself."""

    async def named_once(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_without(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [each for each in message["headers"] if each[0] != ID_HEADER]
            await send(message)

        await app(scope, receive, send_without)

    return named_once
