"""The application on a cluster as it is seen from outside: `python -m service cluster`."""

import asyncio
import logging
import os
import socket
import time
from collections.abc import Coroutine
from functools import cache
from threading import Thread
from typing import Any, TypeVar

import ray
from ray import serve
from ray._private.authentication.authentication_token_setup import maybe_enable_token_auth_if_token_available
from ray._private.services import find_gcs_addresses
from ray.exceptions import RayError
from ray.serve.context import _get_global_client
from ray.serve.exceptions import RayServeException
from ray.serve.schema import ApplicationStatus, ApplicationStatusOverview

from service.cluster.application import NAME
from service.cluster.report import Report
from service.schemas import State

T = TypeVar("T")

_LOOK = 0.5  # seconds between looks at what Ray does
_REACH = 5.0  # seconds in which a cluster must take a connection; Ray itself would try for minutes
_PATIENCE = 10.0  # seconds that replicas have to report

# What Ray raises where a part of it, or of the application, is gone or does not answer.
FAILURES = (RayError, RayServeException, TimeoutError)

# Where the proxies listen, as Ray Serve and our settings name it.
_LISTENING = {
    "host": "DIGITVOTE_HOST",
    "port": "DIGITVOTE_PORT",
    "keep_alive_timeout_s": "DIGITVOTE_KEEP_ALIVE",
    "ssl_certfile": "DIGITVOTE_TLS_CERT",
    "ssl_keyfile": "DIGITVOTE_TLS_KEY",
}

down: Any = serve.shutdown  # Ray Serve as a whole; it has no types


class ClusterError(Exception):
    """A cluster, or the application on it, is not what it should be; the message says why."""


def join(address: str) -> None:
    """Connect to a cluster: HOST:PORT of its head, `auto` for the only one of this machine, `local` starts one here.

    Raises:
        ClusterError: if there is none, or `auto` could mean several.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to anyone that nobody asked for
    if address == "auto":
        address = _only()
        logging.getLogger("ray").setLevel(logging.ERROR)
        maybe_enable_token_auth_if_token_available(warn_if_disabled=False)  # as Ray does for one that it finds itself
    if address != "local":
        _reach(address)
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, ValueError, RuntimeError) as error:
        hint = "" if token() else " Does it take a token? Then set RAY_AUTH_MODE=token."
        raise ClusterError(f"--address {address}: {str(error).strip().splitlines()[0]}.{hint}") from error
    logging.getLogger("ray.serve").setLevel(logging.ERROR)


def _only() -> str:
    """The head's address of the cluster that this machine has a node of; Ray itself would take any of several."""
    found: list[str] = sorted(find_gcs_addresses())  # type: ignore[no-untyped-call]
    if not found:
        raise ClusterError("--address auto: no cluster runs on this machine. Give HOST:PORT of one's head.")
    if len(found) > 1:
        raise ClusterError(f"--address auto: several clusters run on this machine. Give one of {', '.join(found)}.")
    return found[0]


def token() -> bool:
    """Whether this process shows Ray's token, which a cluster that `up` starts asks for."""
    return os.environ.get("RAY_AUTH_MODE", "").lower() == "token"


def address() -> str:
    """HOST:PORT of the head of the cluster that this process has joined."""
    return str(ray.get_runtime_context().gcs_address)


def start(options: dict[str, Any]) -> None:
    """Have Ray Serve run, with a proxy a node that listens by these options.

    Raises:
        ClusterError: if it runs already and listens by others, which it would keep.
    """
    client = _get_global_client(raise_if_no_controller_running=False)
    if client is None:
        serve.start(proxy_location="EveryNode", http_options=options)
        return
    pairs = {name: (options.get(name), getattr(client.http_config, name)) for name in _LISTENING}
    different = [
        f"{_LISTENING[name]} is {here} here, {there} there" for name, (here, there) in pairs.items() if here != there
    ]
    if different:
        raise ClusterError(
            "Ray Serve runs on this cluster already, and listens as it was told first until it is shut down: "
            f"{'; '.join(different)}. Set the same, or shut it down with all that it serves: `serve shutdown`."
        )


def _reach(address: str) -> None:
    host, _, port = address.rpartition(":")
    if not (host and port.isdigit() and 0 < int(port) < 2**16):
        raise ClusterError(f"--address {address}: write HOST:PORT as `ray start --head` prints it, or auto")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _REACH).close()
    except OSError as error:
        raise ClusterError(
            f"--address {address}: no cluster's head answers there ({error.strerror or error}). "
            "`ray start --head` starts one, and prints its address."
        ) from error


def overview() -> ApplicationStatusOverview | None:
    """What Ray says of the application; None if it is not deployed."""
    return serve.status().applications.get(NAME)


def others() -> bool:
    """Whether something else is deployed on the cluster."""
    return bool(serve.status().applications.keys() - {NAME})


def reports() -> list[Report]:
    """What each replica of the models tells of itself."""

    async def told() -> list[Any]:
        handle = serve.get_deployment_handle("vote", NAME)
        return await handle.broadcast("report").results_async(timeout_s=_PATIENCE, return_exceptions=True)

    try:
        found = _awaited(told(), 2 * _PATIENCE)
    except FAILURES:  # there is none
        return []
    return sorted((each for each in found if isinstance(each, Report)), key=lambda report: report.replica)


def _state(seconds: float) -> State | str:
    """What /health of a replica of the routes says in this time, or why none does."""

    async def told() -> State:
        state: State = (await serve.get_app_handle(NAME).health.remote())[0]
        return state

    try:
        return _awaited(told(), seconds)
    except FAILURES as error:  # the next look may find another
        return f"no answer ({type(error).__name__})"


@cache
def _loop() -> asyncio.AbstractEventLoop:
    """The event loop of all handles, in a thread of its own for as long as this process lives."""
    loop = asyncio.new_event_loop()
    Thread(target=loop.run_forever, daemon=True, name="handles").start()
    return loop


def _awaited(work: Coroutine[Any, Any, T], seconds: float) -> T:
    return asyncio.run_coroutine_threadsafe(asyncio.wait_for(work, seconds), _loop()).result()


def url() -> str:
    """Where the proxies of the cluster's nodes listen."""
    client = _get_global_client()
    return str(client.root_url) if client else ""


def await_ready(seconds: float) -> None:
    """Wait until the application runs and its routes have heard of the models.

    Raises:
        ClusterError: if it has failed, or takes longer; with what Ray says of it.
    """
    until, state = time.monotonic() + seconds, "not asked"
    while (left := until - time.monotonic()) > 0:
        found = overview()
        if found is not None and found.status in (ApplicationStatus.DEPLOY_FAILED, ApplicationStatus.UNHEALTHY):
            raise ClusterError(_told(found))
        if found is not None and found.status == ApplicationStatus.RUNNING:
            state = _state(left)
            if state in ("ready", "degraded"):
                return
        time.sleep(_LOOK)
    found = overview()
    told = f"{_told(found)}\nthe routes: {state}" if found else "It is not deployed."
    raise ClusterError(f"not ready after {seconds:g} s (--wait). {told}")


def await_end() -> None:
    """Wait until the application is taken away."""
    try:
        while overview() is not None:
            time.sleep(_LOOK)
    except FAILURES:  # Ray Serve went with it
        return


def _told(application: ApplicationStatusOverview) -> str:
    """What Ray says of an application that is not well, and of each of its deployments."""
    # Of a traceback, as of a replica that could not start, the last line says why.
    messages = {name: each.message.strip().splitlines() for name, each in application.deployments.items()}
    lines = [f"{name}: {message[-1]}" for name, message in messages.items() if message]
    return "\n".join([f"digitvote is {application.status.value}. {application.message}", *lines])
