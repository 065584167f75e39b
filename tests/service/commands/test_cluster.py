import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import typer
import yaml  # type: ignore[import-untyped]
from typer.testing import CliRunner

from service.commands.cluster import cli
from tests.support import ROOT


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
    ("name", "value", "told"), [("PORT", "0", "all nodes listen on one port"), ("WORKERS", "2", "replicas")]
)
def test_a_setting_that_a_cluster_cannot_have_is_told(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, told: str
) -> None:
    """Neither a port left to chance nor workers make sense there, and `up` says so before it starts anything."""
    pytest.importorskip("ray", reason="ray is not installed: pip install 'digitvote[ray]'")
    monkeypatch.setenv(f"DIGITVOTE_{name}", value)
    done = CliRunner().invoke(cli, ["up"])
    assert (done.exit_code, told in done.output) == (2, True), done.output


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


@pytest.fixture
def ray_folder() -> Iterator[Path]:
    """A folder for Ray's sockets, whose names may have no more than a hundred letters: pytest's own are too long."""
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.mark.cluster
def test_up_status_and_down_on_this_machine(ray_folder: Path) -> None:
    """`up` serves on a cluster of its own, `status` says what is served, `down` ends it, and then there is none."""
    pytest.importorskip("ray", reason="ray is not installed: pip install 'digitvote[ray]'")
    from tests.ports import free_port

    port = free_port()
    environment = {**os.environ, "DIGITVOTE_ENGINE": "onnx", "DIGITVOTE_PORT": str(port), "PYTHONUNBUFFERED": "1"}
    environment |= {"DIGITVOTE_ARTIFACTS": str(ROOT / "artifacts"), "RAY_TMPDIR": str(ray_folder)}
    command = [sys.executable, "-m", "service", "cluster"]
    up = subprocess.Popen(
        [*command, "up"], cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
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
        answer = httpx.post(
            f"http://127.0.0.1:{port}/predict",
            files={"file": (ROOT / "docs" / "examples" / "seven.png").read_bytes()},
            timeout=60,
        )
        assert answer.json()["label"] == 7

        def run(name: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                [*command, name], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120
            )

        told = run("status")
        assert told.returncode == 0, told.stdout + told.stderr
        assert re.search(r"^digitvote  RUNNING  http://", told.stdout)
        assert re.search(r"vote#\w+  ready  mlp 1, cnn 1, lenet5 1, gate 2", told.stdout)
        assert run("down").stdout == "digitvote is down\n"
        up.stdout.read()
        assert up.wait(60) == 0
        gone = run("status")
        assert (gone.returncode, "--address auto" in gone.stderr) == (2, True), gone.stderr
    finally:
        if up.poll() is None:
            up.send_signal(signal.SIGTERM)
            up.communicate(timeout=120)
        up.stdout.close()
