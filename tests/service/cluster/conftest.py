"""A real Ray cluster of two nodes on this machine, with the application as deploy/ray/serve.yaml has it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml  # type: ignore[import-untyped]

from service.app import create_app
from service.settings import Settings
from tests.ports import free_port
from tests.support import RELEASE, ROOT, hosting, wait_until_loaded
from tests.waiting import until

# Read by Ray's processes as they start. They are as urgent as the tests, no worker waits for work that none has, and
# what is slow on a busy machine is not taken for dead.
os.environ.update(
    RAY_USAGE_STATS_ENABLED="0",
    RAY_DEDUP_LOGS="0",
    RAY_worker_niceness="0",
    RAY_prestart_worker_first_driver="0",
    RAY_enable_worker_prestart="0",
    RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S="120",
    RAY_SERVE_PROXY_HEALTH_CHECK_TIMEOUT_S="120",
    RAY_SERVE_HANDLE_AUTOSCALING_METRIC_PUSH_INTERVAL_S="0.5",
    RAY_SERVE_REPLICA_AUTOSCALING_METRIC_PUSH_INTERVAL_S="0.5",
)

MEMORY = 80 * 2**20  # bytes of each node's object store


@dataclass
class Deployed:
    """The application on a cluster: a client of it, its artifacts, and the cluster with its second node."""

    client: httpx.Client
    artifacts: Path
    cluster: Any
    node: Any


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The release's models, which a test may add to."""
    return Path(shutil.copytree(RELEASE, tmp_path_factory.mktemp("cluster") / "artifacts"))


@pytest.fixture(scope="package")
def alone() -> Iterator[httpx.Client]:
    """The same models in one process."""
    with hosting(create_app(Settings(artifacts=RELEASE, engine="onnx", batches=100))) as client:
        assert wait_until_loaded(client)["state"] == "ready"
        yield client


@pytest.fixture(scope="module")
def deployed(ray_folder: Path, artifacts: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """The application, deployed by `serve deploy` from the configuration that is shipped, on two nodes."""
    ray = pytest.importorskip("ray", reason="ray is not installed: pip install 'digitvote[ray]'")
    from ray import serve
    from ray.cluster_utils import Cluster

    os.environ["RAY_TMPDIR"] = str(ray_folder)
    dashboard, port = free_port(), free_port()
    head = {"num_cpus": 3, "object_store_memory": MEMORY, "include_dashboard": True, "dashboard_port": dashboard}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        node = cluster.add_node(num_cpus=3, object_store_memory=MEMORY)
        ray.init(address=cluster.address, log_to_driver=False, logging_level="error")
        config = tmp_path_factory.mktemp("config") / "serve.yaml"
        config.write_text(yaml.safe_dump(configuration(port, artifacts)))
        command = [sys.executable, "-m", "ray.serve.scripts", "deploy", str(config)]
        subprocess.run([*command, "--address", f"http://127.0.0.1:{dashboard}"], cwd=ROOT, check=True, timeout=120)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            until(lambda: _is_ready(client), "the application is not ready", 180)
            yield Deployed(client, artifacts, cluster, node)
        serve.shutdown()  # type: ignore[no-untyped-call]
    finally:
        ray.shutdown()
        cluster.shutdown()  # type: ignore[no-untyped-call]
        del os.environ["RAY_TMPDIR"]


@pytest.fixture
def head(ray_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a cluster that has no CPU for any replica, and which this process has joined."""
    ray = pytest.importorskip("ray", reason="ray is not installed: pip install 'digitvote[ray]'")
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_TMPDIR", str(ray_folder))
    node = {"num_cpus": 0, "object_store_memory": MEMORY, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=node)
    try:
        ray.init(address=cluster.address, log_to_driver=False, logging_level="error")
        yield cluster.address
    finally:
        ray.shutdown()
        cluster.shutdown()  # type: ignore[no-untyped-call]


def configuration(port: int, artifacts: Path) -> dict[str, Any]:
    """The shipped configuration for this machine: another port and folder, and a scale that moves within seconds."""
    config: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "ray" / "serve.yaml").read_text())
    config["proxy_location"] = "HeadOnly"  # both nodes are this machine, and have its ports together
    config["http_options"]["port"] = port
    (application,) = config["applications"]
    application["runtime_env"]["env_vars"].update(DIGITVOTE_ARTIFACTS=str(artifacts), DIGITVOTE_POLL_SECONDS="0.5")
    application["runtime_env"]["env_vars"].update(DIGITVOTE_LOG_LEVEL="error", DIGITVOTE_WAIT_MS="10000")
    application["args"] |= {"ingress": "2", "decode": "1", "vote": "2:3", "cpus": 0.5}
    (vote,) = application["deployments"]
    vote["autoscaling_config"] |= {"min_replicas": 2, "max_replicas": 3, "target_ongoing_requests": 0.25}
    vote["autoscaling_config"] |= {"upscale_delay_s": 1, "downscale_delay_s": 3, "look_back_period_s": 10.5}
    return config


def _is_ready(client: httpx.Client) -> bool:
    try:
        return client.get("/health/ready").status_code == 200
    except httpx.TransportError:  # nothing listens yet
        return False
