"""A cluster that others use too."""

import os
import signal
import subprocess
import sys

import pytest

pytest.importorskip("ray", reason="ray is not installed: pip install 'digitvote[ray]'")

from ray import serve
from ray._private.services import find_gcs_addresses
from ray.serve.schema import ApplicationStatus
from typer.testing import CliRunner

from service.cluster import deployed as outside
from service.cluster.application import NAME
from service.commands.cluster import cli
from tests.ports import free_port
from tests.support import RELEASE, ROOT
from tests.waiting import until


class Theirs:
    """An application of somebody else's."""


@pytest.mark.cluster
@pytest.mark.timeout(900, func_only=True)
def test_up_leaves_alone_what_others_have(head: str) -> None:
    """Where Ray Serve runs, other settings of its proxies are refused, and an interrupted `up` takes only its own."""
    port = free_port()
    outside.start({"host": "127.0.0.1", "port": port, "keep_alive_timeout_s": 75})
    theirs = serve.deployment(name="theirs", num_replicas=1, ray_actor_options={"num_cpus": 0})(Theirs)
    serve.run_many([serve.RunTarget(theirs.bind(), name="theirs", route_prefix="/theirs")])

    refused = up(head, port + 1)
    output, _ = refused.communicate(timeout=180)
    assert refused.returncode == 2, output
    assert f"DIGITVOTE_PORT is {port + 1} here, {port} there. Set the same" in output
    assert NAME not in serve.status().applications

    waiting = up(head, port)
    try:
        until(lambda: outside.overview() is not None or waiting.poll() is not None, "it was not deployed")
        with pytest.raises(outside.ClusterError, match=r"not ready after 1 s \(--wait\)\. digitvote is DEPLOYING"):
            outside.await_ready(1)
        waiting.send_signal(signal.SIGTERM)
        output, _ = waiting.communicate(timeout=180)
    finally:
        waiting.kill()
    assert (waiting.returncode, output) == (0, "taking digitvote away again\n")
    until(lambda: outside.overview() is None, "it was not taken away")
    assert serve.status().applications["theirs"].status == ApplicationStatus.RUNNING
    serve.shutdown()  # type: ignore[no-untyped-call]


def up(address: str, port: int) -> "subprocess.Popen[str]":
    """`cluster up` on a cluster, in a process of its own."""
    settings = {"DIGITVOTE_PORT": str(port), "DIGITVOTE_ENGINE": "onnx", "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "service", "cluster", "up", "--address", address],
        cwd=ROOT,
        env={**os.environ, "DIGITVOTE_ARTIFACTS": str(RELEASE), **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.parametrize("words", [["status"], ["down"], ["up", "--address", "auto"]])
def test_one_of_several_clusters_must_be_named(words: list[str]) -> None:
    """Where a machine has nodes of several clusters, none is taken by chance: each is named."""
    # What Ray looks for: processes by this name with this option.
    nodes = [
        subprocess.Popen(
            ["raylet", "-c", "read _", "raylet", f"--gcs-address=127.0.0.1:{number}"],
            executable="/bin/sh",
            stdin=subprocess.PIPE,
        )
        for number in (1, 2)
    ]
    find_gcs_addresses.cache_clear()  # type: ignore[attr-defined]
    try:
        told = CliRunner().invoke(cli, words)
    finally:
        find_gcs_addresses.cache_clear()  # type: ignore[attr-defined]
        for node in nodes:
            node.communicate()
    assert told.exit_code == 2, told.output
    assert "several clusters run on this machine. Give one of 127.0.0.1:1, 127.0.0.1:2" in told.output
