"""uvicorn's server with more manners: it tells where it serves, drains before it closes, and exits 0 after SIGTERM."""

import asyncio
import logging
import math
import os
import signal
import socket
import sys
from collections.abc import Callable
from concurrent.futures import Future
from types import FrameType
from typing import NoReturn

import typer
import uvicorn
from fastapi import FastAPI

from service import metrics, tls
from service.ensemble import Ensemble
from service.protocol import bounded
from service.settings import Settings, SettingsError

_BACKLOG = 2048  # connections that may wait to be taken, as uvicorn has it
_SWITCH = 0.0005  # seconds that the batcher's thread, back from the models, waits for the event loop to let it go on
_CLOSE = (b"connection", b"close")
_TICKS = 10  # a second, at which uvicorn looks whether it should end
_PATIENCE = 15  # seconds until a worker that gives its supervisor no sign is replaced


def listen(host: str, port: int) -> socket.socket:
    """The socket to serve on.

    Raises:
        SettingsError: if that address is taken, or none of this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise SettingsError(
            f"DIGITVOTE_HOST={host!r}, DIGITVOTE_PORT={port}: {error.strerror}. "
            "Take an address of this machine and a port on which nothing listens yet; port 0 takes a free one."
        ) from error


def leave() -> NoReturn:
    """End the process with status 0 at once."""
    # A decoder may still be at work for a sender who was cut off, and the interpreter would wait for its thread.
    logging.shutdown()
    sys.stdout.flush()
    os._exit(0)


class Server(uvicorn.Server):
    """Serves one application by its settings; `tells` is asked once it has loaded whether to tell so."""

    def __init__(self, app: FastAPI, settings: Settings, tells: Callable[[], bool] = lambda: True) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=bounded(settings),
                ws="none",
                workers=settings.workers,
                timeout_keep_alive=settings.keep_alive,
                timeout_worker_healthcheck=_PATIENCE,
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=settings.grace,
                proxy_headers=bool(settings.proxies),
                forwarded_allow_ips=[str(network) for network in settings.proxies],
                **tls.files(settings),
            )
        )
        self._app = app
        self._settings = settings
        self._tells = tells
        self._drains = False
        self._banner: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until SIGTERM or SIGINT, then finish what is in flight."""
        # uvicorn raises the signal again once it has shut down in good order: by then there is nothing left to end.
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: None)
        sys.setswitchinterval(_SWITCH)
        super().run(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen, and tell so once the models are loaded."""
        self._loop = asyncio.get_running_loop()
        signal.signal(signal.SIGHUP, lambda *_: self._reload())
        metrics.now(self.ensemble.health()[0], 0)
        await super().startup(sockets)
        self._banner = asyncio.create_task(self._tell())

    async def on_tick(self, counter: int) -> bool:
        """Tell the metrics, ten times a second, what nobody else would while no request comes."""
        metrics.now(self.ensemble.health()[0], len(self.ensemble.queue))
        # Of several workers one that is past help ends, and the supervisor starts another.
        past_help = self.config.workers > 1 and not self.ensemble.alive
        return await super().on_tick(counter) or past_help

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Turn /health to draining; only a first SIGTERM leaves time until it is seen."""
        self.ensemble.draining = True
        self._drains = sig == signal.SIGTERM and not self.should_exit
        self._close_connections()
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve on while those who send requests here learn that they should not, then finish what is in flight."""
        self._close_connections()
        for _ in range(math.ceil(self._settings.drain_seconds * _TICKS)):
            if not self._drains:
                break
            await self.on_tick(0)
            await asyncio.sleep(1 / _TICKS)
        await super().shutdown(sockets)

    def _close_connections(self) -> None:
        """Have every answer from now on say that its connection closes."""
        if _CLOSE not in self.config.encoded_headers:
            self.config.encoded_headers.append(_CLOSE)  # of which uvicorn makes the default headers anew each second
            self.server_state.default_headers = [*self.server_state.default_headers, _CLOSE]

    @property
    def ensemble(self) -> Ensemble:
        """The ensemble of its application."""
        ensemble: Ensemble = self._app.state.ensemble
        return ensemble

    def able(self) -> bool:
        """Whether requests should be sent here, as another thread asks the event loop: where that hangs, this waits."""
        if self._loop is None or self._loop.is_closed():
            return False
        answer: Future[bool] = Future()
        self._loop.call_soon_threadsafe(lambda: answer.set_result(self.ensemble.able))
        return answer.result()

    def _reload(self) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.ensemble.rollout.wake)

    async def _tell(self) -> None:
        await self.ensemble.loaded.wait()
        if not self._tells():
            return
        state, reason = self.ensemble.health()
        url = f"http{'s' if self._settings.tls_cert else ''}://{self._reachable_host()}:{self.servers[0].sockets[0].getsockname()[1]}"
        typer.echo(f"\ndigitvote is {state} at {url}" + (f" ({reason})" if reason else ""))
        typer.echo(f"  docs   {url}/docs")
        key = "-H 'X-API-Key: KEY' " if self._settings.api_keys else ""
        typer.echo(f"  try    curl {key}-F file=@docs/examples/seven.png {url}/predict\n")

    def _reachable_host(self) -> str:
        host = self._settings.host
        if host in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
            return "127.0.0.1"
        return f"[{host}]" if ":" in host else host
