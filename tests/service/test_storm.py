import signal
import time
from pathlib import Path

import httpx

from benchmarks.rollouts import KINDS, storm
from tests.support import Linear, publish_model, publish_three, serving


def test_versions_come_and_go_under_load(tmp_path: Path) -> None:
    """Among 600 requests good, corrupt, half-copied and other versions come: none fails or has another label."""
    root = publish_three(tmp_path)
    with serving(root, poll_seconds=0.1) as server:
        report = storm(server.url, root, len(KINDS), 600, 4, server.process.pid)
        assert server.stop() == 0
    assert not report.answers.failed
    assert (report.bad, report.answers.wrong) == (0, 0)
    assert len(report.answers.versions) > 2
    assert len(report.answers.took) >= 600


def test_on_hangup_one_worker_looks_at_once(tmp_path: Path) -> None:
    """After SIGHUP a version votes that was published meanwhile, in the same process, and a failed one is told."""
    root = publish_three(tmp_path)
    with serving(root, poll_seconds=0) as server:
        publish_model(root, "mlp", Linear(7))
        publish_model(root, "cnn", Linear(7))
        (root / "cnn" / "2" / "model.pt").write_bytes(b"altered")
        server.process.send_signal(signal.SIGHUP)
        for _ in range(600):
            mlp, cnn, _lenet5 = httpx.get(f"{server.url}/health").json()["models"]
            if mlp["version"] == 2 and cnn["tried"]:
                break
            time.sleep(0.02)
        assert mlp["version"] == 2
        assert (cnn["version"], cnn["tried"][0]["stage"]) == (1, "failed")
        assert server.stop() == 0
