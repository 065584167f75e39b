"""Serving by one process or by several: these are forked, and kept at work by uvicorn's supervisor."""

import gc
import logging
import multiprocessing
import os
import signal
import socket
import threading
from functools import partial

import structlog
import uvicorn
from fastapi import FastAPI
from uvicorn.supervisors import multiprocess

from service import feedback, metrics, source
from service.app import create_app
from service.engine.engine import open_engine
from service.server import Server, leave, listen
from service.settings import Settings

# A forked worker shares with its supervisor whatever that has imported; a spawned one would import it anew.
_FORK = multiprocessing.get_context("fork")
_ENDING = (signal.SIGTERM, signal.SIGINT)

log = structlog.get_logger("service")


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        SettingsError: if the device, the store of feedback or the address of the settings is not to be had.
    """
    if settings.workers > 1:  # without it the question alone would keep CUDA from being used after a fork
        os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")
    source.check(settings)
    open_engine(settings)  # now, not once it serves, if it is not installed or has no such device
    feedback.check(settings)
    listener = listen(settings.host, settings.port)
    app = create_app(settings)
    if settings.workers == 1:
        Server(app, settings).run([listener])
    else:
        Supervisor(app, settings, listener).run()


class Worker(multiprocess.Process):
    """One of several processes that serve; each begins as a copy of the same server."""

    def __init__(
        self, server: Server, ending: threading.Event, config: uvicorn.Config, sockets: list[socket.socket]
    ) -> None:
        super().__init__(config, sockets)
        self.process = _FORK.Process(target=self.target, args=(sockets,))  # type: ignore[assignment]
        self._server: Server = server
        self._ending = ending
        self._supervisor = os.getpid()

    def start(self) -> None:
        """Fork; a signal that comes meanwhile waits until there are handlers for it on both sides."""
        signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
        super().start()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)

    def target(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until SIGTERM or SIGINT: this runs in the worker."""
        for number in _ENDING:
            signal.signal(number, lambda *_: os._exit(0))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)
        super().target(sockets)
        leave()

    def terminate(self) -> None:
        """Tell it to end: after the drain time where the service does, at once where others go on in its place."""
        if not self._ending.is_set() and self.pid is not None and self.exitcode is None:
            os.kill(self.pid, signal.SIGINT)
        super().terminate()

    def pong(self) -> None:
        """Answer the supervisor whether requests should be sent here; where there is none any more, end."""
        if self.child_conn.poll(1):
            self.child_conn.recv()
            self.child_conn.send(self._server.able())
        elif os.getppid() != self._supervisor:
            os.kill(os.getpid(), signal.SIGTERM)

    def join(self) -> None:
        """Wait for its end, and take it out of the metrics."""
        super().join()
        metrics.forget(self.pid or 0)
        log.log(logging.ERROR if self.exitcode else logging.INFO, "worker ended", pid=self.pid, status=self.exitcode)


class Supervisor(multiprocess.Multiprocess):
    """Keeps as many workers at work as the settings say, and replaces one that dies."""

    def __init__(self, app: FastAPI, settings: Settings, listener: socket.socket) -> None:
        unready = _FORK.Value("i", settings.workers)

        def all_loaded() -> bool:
            with unready.get_lock():
                unready.value -= 1
                return bool(unready.value == 0)

        server = Server(app, settings, tells=all_loaded)
        super().__init__(server.config, [listener])
        self._app = app
        # It makes its workers by this name and cannot be given another.
        multiprocess.Process = partial(Worker, server, self.should_exit)  # type: ignore[misc, assignment]

    def run(self) -> None:
        """Supervise until SIGTERM or SIGINT, then wait for what the workers have in flight."""
        # Memory is shared until one side writes to it, as the collector would.
        gc.freeze()
        gc.enable()
        super().run()

    def restart_all(self) -> None:
        """Replace the workers one by one; where a new one could not answer, those that are left stay."""
        self._app.state.replaces = True
        super().restart_all()
        self._app.state.replaces = False

    def terminate_all(self) -> None:
        """Leave the taking of connections to the workers, and tell them to end."""
        for listener in self.sockets:
            listener.close()
        super().terminate_all()
