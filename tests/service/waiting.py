"""What a test waits for, of a service in a process of its own."""

import socket

import httpx

from tests.service.test_metrics import samples
from tests.support import Process


def counted(server: Process, name: str, **labels: str) -> float:
    """One number of the service's metrics."""
    told = samples(httpx.get(f"{server.url}/metrics", timeout=30).text)
    return told.get((f"digitvote_{name}", frozenset(labels.items())), 0)


def address(server: Process) -> tuple[str, int]:
    """Where connections to it go."""
    return "127.0.0.1", int(server.url.rsplit(":", 1)[1])


def refused(where: tuple[str, int]) -> bool:
    """Whether nothing listens there any more."""
    try:
        socket.create_connection(where).close()
    except ConnectionRefusedError:
        return True
    return False
