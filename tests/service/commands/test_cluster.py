import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import typer
import yaml  # type: ignore[import-untyped]
from typer.testing import CliRunner

from registry.manifest import GATE
from service.commands.cluster import cli
from tests import objectstore
from tests.objectstore import S3
from tests.support import RELEASE, ROOT, committed
from tests.waiting import until


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each command says which package is missing and how to install it."""
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "ray.serve", raising=False)
    for command in ("up", "status", "down"):
        told = CliRunner().invoke(cli, [command])
        assert (told.exit_code, "pip install 'digitvote[ray]'" in told.output) == (2, True), told.output


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["status", "--address", "127.0.0.1:1"], "no cluster's head answers there"),
        (["down", "--address", "elsewhere"], "write HOST:PORT"),
        (["up", "--vote", "4:1"], "no more than the second"),
        (["up", "--cpus", "0"], "greater than 0"),
    ],
)
def test_a_wrong_option_is_told_at_once(words: list[str], told: str) -> None:
    """An address at which no cluster answers, or a range that is none, ends with status 2 and says what was wrong."""
    pytest.importorskip("ray", reason="ray is not installed: pip install 'digitvote[ray]'")
    done = CliRunner().invoke(cli, words)
    assert (done.exit_code, told in done.output) == (2, True), done.output


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("PORT", "0", "all nodes listen on one port"),
        ("WORKERS", "2", "replicas"),
        ("FEEDBACK", "feedback.db", "a cluster takes no feedback"),
        ("ARTIFACTS", "s3://bucket/prefix", "s3:// needs s3fs: pip install 'digitvote[s3]'"),
    ],
)
def test_a_setting_that_a_cluster_cannot_have_is_told(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, told: str
) -> None:
    """What makes no sense there, or needs an extra that is missing, is told by `up` before it starts anything."""
    pytest.importorskip("ray", reason="ray is not installed: pip install 'digitvote[ray]'")
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.setenv(f"DIGITVOTE_{name}", value)
    done = CliRunner().invoke(cli, ["up"])
    assert (done.exit_code, told in done.output) == (2, True), done.output


def test_a_port_that_is_taken_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """`up` starts no cluster where something listens already: another cluster's proxies would share it."""
    pytest.importorskip("ray", reason="ray is not installed: pip install 'digitvote[ray]'")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setenv("DIGITVOTE_PORT", str(taken.getsockname()[1]))
        done = CliRunner().invoke(cli, ["up"])
    assert (done.exit_code, "on which nothing listens yet" in done.output) == (2, True), done.output


def test_the_shipped_configuration_fits_rays_schema() -> None:
    """deploy/ray/serve.yaml is what Ray Serve takes, and its application's arguments are the options of `up`."""
    pytest.importorskip("ray", reason="ray is not installed: pip install 'digitvote[ray]'")
    from ray.serve.schema import ServeDeploySchema

    from service.cluster.scale import Scale

    config = yaml.safe_load((ROOT / "deploy" / "ray" / "serve.yaml").read_text())
    (application,) = ServeDeploySchema.model_validate(config).applications
    assert Scale.model_validate(application.args) == Scale()
    command = typer.main.get_command(cli).commands["up"]  # type: ignore[attr-defined]
    defaults = {each.name: each.default for each in command.params}
    assert Scale.model_validate({name: defaults[name] for name in Scale.model_fields}) == Scale()


def check_what_it_tells_of_the_store(client: httpx.Client, s3: S3, address: str) -> None:
    """Copies vote, /health, /models and /report tell of them as one process does, and nothing asks for feedback."""

    def reached() -> bool:
        told = client.get("/health").json()
        assert (told["state"], told["store"]["address"]) == ("ready", address)
        assert ("object store not reached" in str(told["reason"])) != told["store"]["reached"]
        return bool(told["store"]["reached"])

    seven = {"file": (ROOT / "docs" / "examples" / "seven.png").read_bytes()}
    assert client.post("/predict", files=seven).json()["label"] == 7
    assert reached()
    assert client.get("/health").json()["store"]["seen"]
    versions = {each["model"]: each["manifest"]["version"] for each in client.get("/models").json()["models"]}
    assert versions == {name: committed(name) for name in ("mlp", "cnn", "lenet5")}
    shown = f"cnn/{committed('cnn')}"
    assert f'src="report/{shown}/' in client.get("/report").text
    picture = client.get(f"/report/{shown}/mistakes.png")
    assert picture.content == (RELEASE / shown / "report/mistakes.png").read_bytes()
    assert client.get(f"/report/{shown}/none.png").status_code == 404
    assert "right.js" not in client.get("/").text
    assert client.post("/feedback", json={"request_id": "0", "label": 7}).status_code == 404
    with s3.down():
        until(lambda: not reached())
        assert client.post("/predict", files=seven).json()["label"] == 7
    until(reached)


@pytest.mark.cluster
@pytest.mark.timeout(900, func_only=True)
def test_up_status_and_down_on_this_machine(ray_folder: Path, s3: S3, tmp_path: Path) -> None:
    """`up` serves from an object store on a cluster of its own, `status` says what is served, `down` ends it."""
    pytest.importorskip("ray", reason="ray is not installed: pip install 'digitvote[ray]'")
    from tests.ports import free_port

    port = free_port()
    environment = {**os.environ, "DIGITVOTE_ENGINE": "onnx", "DIGITVOTE_PORT": str(port), "PYTHONUNBUFFERED": "1"}
    address = objectstore.bucket("s3")
    objectstore.copy(address, RELEASE)
    environment |= {"DIGITVOTE_ARTIFACTS": str(address), "DIGITVOTE_ARTIFACTS_CACHE": str(tmp_path)}
    environment |= {"DIGITVOTE_POLL_SECONDS": "0.5", "RAY_TMPDIR": str(ray_folder)}
    command = [sys.executable, "-m", "service", "cluster"]
    scale = ["--vote", "2", "--cpus", "0.5", "--ingress", "1", "--decode", "1"]
    up = subprocess.Popen(
        [*command, "up", *scale], cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert up.stdout is not None
    try:
        lines = []
        for line in up.stdout:
            lines.append(line)
            if f"digitvote is ready at http://127.0.0.1:{port}" in line:
                break
        else:
            pytest.fail("".join(lines))
        hint = next(line for line in up.stdout if "cluster status --address" in line)
        head = hint.split()[-1]
        environment |= dict(word.split("=") for word in hint.split() if word.startswith("RAY_AUTH_MODE="))
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            check_what_it_tells_of_the_store(client, s3, str(address))

        def run(name: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                [*command, name, "--address", head],
                cwd=ROOT,
                env=environment,
                capture_output=True,
                text=True,
                timeout=120,
            )

        told = run("status")
        assert told.returncode == 0, told.stdout + told.stderr
        assert re.search(r"^digitvote  RUNNING  http://", told.stdout)
        versions = ", ".join(f"{name} {committed(name)}" for name in ("mlp", "cnn", "lenet5", GATE))
        assert len(re.findall(rf"vote#\w+  ready  {versions}\n", told.stdout)) == 2
        told = run("down")
        assert told.stdout == "digitvote is down\n", told.stderr
        up.stdout.read()
        assert up.wait(60) == 0
        gone = run("status")
        assert (gone.returncode, f"--address {head}: no cluster's head" in gone.stderr) == (2, True), gone.stderr
    finally:
        if up.poll() is None:
            up.send_signal(signal.SIGTERM)
            up.communicate(timeout=120)
        up.stdout.close()
