import socket

import httpx
import pytest

from service.client import send
from service.client.send import NoServiceError, Service


def test_a_port_that_never_answers_is_no_service(monkeypatch: pytest.MonkeyPatch) -> None:
    """The health answer is waited for no longer than its own seconds."""
    monkeypatch.setattr(send, "_HEALTH", httpx.Timeout(0.1))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with Service(url) as service, pytest.raises(NoServiceError, match="no service answers"):
            service.meet(print)
