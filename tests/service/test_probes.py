import os
import signal
from pathlib import Path

import httpx
import pytest
import torch

from tests.service.test_workers import children
from tests.support import Fragile, drawing, encoded, publish_model, publish_three, serving
from tests.waiting import until

LIGHT, HEAVY = encoded(drawing(width=3)), encoded(drawing(width=12))


class Lost(Fragile):
    """Says what CUDA says when it is lost, on a picture with much ink."""

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Logits [N, 10] of pictures [N, 1, 28, 28]."""
        if bool((pictures.flatten(1).sum(1) > 150).any()):
            raise RuntimeError("CUDA error: device-side assert triggered")
        return pictures.flatten(1) @ self.weight.t()


@pytest.fixture
def losing(tmp_path: Path) -> Path:
    """Three models, of which one loses its device on a picture with much ink."""
    publish_three(tmp_path / "artifacts")
    publish_model(tmp_path / "artifacts", "cnn", Lost(1))
    return tmp_path / "artifacts"


def statuses(url: str) -> dict[str, int]:
    return {
        path: httpx.get(url + path, timeout=30).status_code for path in ("/health", "/health/ready", "/health/live")
    }


def test_a_service_that_lacks_models_is_live_and_not_ready(tmp_path: Path) -> None:
    """What a new process would not mend is no reason to start one."""
    with serving(tmp_path / "absent") as server:
        assert statuses(server.url) == {"/health": 503, "/health/ready": 503, "/health/live": 200}
        assert httpx.get(f"{server.url}/health/live").json()["state"] == "failed"


def test_a_lost_device_has_the_service_started_anew(losing: Path) -> None:
    """After a CUDA error requests get 503, and so does every probe, with what CUDA said; Ctrl-C ends it undrained."""
    with serving(losing, log="json", drain_seconds=600) as server:
        assert statuses(server.url) == {"/health": 200, "/health/ready": 200, "/health/live": 200}
        assert httpx.post(f"{server.url}/predict", files={"file": LIGHT}).status_code == 200
        lost = httpx.post(f"{server.url}/predict", files={"file": HEAVY})
        assert (lost.status_code, lost.json()["type"]) == (503, "urn:digitvote:not-ready")
        assert statuses(server.url) == {"/health": 503, "/health/ready": 503, "/health/live": 503}
        assert "CUDA error: device-side assert triggered" in httpx.get(f"{server.url}/health").json()["reason"]
        assert httpx.post(f"{server.url}/predict", files={"file": LIGHT}).status_code == 503
        assert server.stop(signal.SIGINT) == 0


def test_of_several_workers_one_that_lost_its_device_is_replaced(losing: Path) -> None:
    """It ends, another takes its place, and the service goes on."""
    with serving(losing, workers=2) as server:
        before = children(server.process.pid)
        assert httpx.post(f"{server.url}/predict", files={"file": HEAVY}).status_code == 503
        until(lambda: len(children(server.process.pid) - before) == 1 and len(children(server.process.pid)) == 2)
        assert httpx.post(f"{server.url}/predict", files={"file": LIGHT}, timeout=30).status_code == 200
        assert server.stop() == 0


@pytest.mark.parametrize("workers", [1, 2])
def test_after_sigterm_it_is_seen_to_drain_before_it_closes(artifacts: Path, workers: int) -> None:
    """For DIGITVOTE_DRAIN_SECONDS new connections are taken and answered, and probes say draining; then it exits 0."""
    with serving(artifacts, workers=workers, drain_seconds=60) as server:
        with httpx.Client(timeout=30) as kept:
            assert "connection" not in kept.get(f"{server.url}/health").headers
            server.process.send_signal(signal.SIGTERM)
            until(lambda: httpx.get(f"{server.url}/health/ready", timeout=30).status_code == 503)
            told = httpx.get(f"{server.url}/health", timeout=30)
            assert (told.status_code, told.json()["state"]) == (503, "draining")
            answer = httpx.post(f"{server.url}/predict", files={"file": LIGHT}, timeout=30)
            assert (answer.status_code, answer.headers["connection"]) == (200, "close")
        assert statuses(server.url)["/health/live"] == 200
        assert server.process.poll() is None
        for pid in children(server.process.pid):  # as a terminal sends it to all
            os.kill(pid, signal.SIGINT)
        assert server.stop(signal.SIGINT) == 0  # who is in a hurry need not wait


def test_what_is_told_of_the_state_needs_no_thread(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though a busy machine gives none, or uploads have taken all, probes and /models are answered."""

    async def none(*_: object, **__: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("anyio.to_thread.run_sync", none)
    for path in ("/health", "/health/live", "/health/ready", "/models", "/v2/health/ready"):
        assert client.get(path).status_code == 200, path
