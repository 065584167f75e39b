"""Ports of this machine for the tests' servers."""

import random
import socket
from contextlib import suppress


def free_port() -> int:
    """A port that no other test is given while its server is away: below those that the system chooses from."""
    for port in random.sample(range(20_000, 30_000), 1000):
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise AssertionError("no port is free")
