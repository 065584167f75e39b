"""uvicorn's server with three manners more: it tells where it serves, drains by name, and exits 0 after SIGTERM."""

import asyncio
import signal
import socket
from types import FrameType

import typer
import uvicorn
from fastapi import FastAPI

from service.ensemble import Ensemble
from service.settings import Settings


class Server(uvicorn.Server):
    """Serves one application by its settings."""

    def __init__(self, app: FastAPI, settings: Settings) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                host=settings.host,
                port=settings.port,
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=settings.grace,
            )
        )
        self._app = app
        self._settings = settings
        self._banner: asyncio.Task[None] | None = None

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until SIGTERM or SIGINT, then finish what is in flight."""
        # uvicorn raises the signal again once it has shut down in good order: by then there is nothing left to end.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)
        super().run(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen, and tell so once the models are loaded."""
        await super().startup(sockets)
        self._banner = asyncio.create_task(self._tell())

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Turn /health to draining before connections are closed."""
        self._ensemble.draining = True
        super().handle_exit(sig, frame)

    @property
    def _ensemble(self) -> Ensemble:
        ensemble: Ensemble = self._app.state.ensemble
        return ensemble

    async def _tell(self) -> None:
        await self._ensemble.loaded.wait()
        state, reason = self._ensemble.health()
        url = f"http://{self._reachable_host()}:{self.servers[0].sockets[0].getsockname()[1]}"
        typer.echo(f"\ndigitvote is {state} at {url}" + (f" ({reason})" if reason else ""))
        typer.echo(f"  docs   {url}/docs")
        typer.echo(f"  try    curl -F file=@docs/examples/seven.png {url}/predict\n")

    def _reachable_host(self) -> str:
        host = self._settings.host
        if host in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
            return "127.0.0.1"
        return f"[{host}]" if ":" in host else host
