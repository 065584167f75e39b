"""What a signal or a kill leaves behind."""

import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from registry import store
from registry.open import open_version
from tests.trainer.conftest import OTHER, ROOT, TINY, TinyRun, environment


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupt(tmp_path: Path, number: int) -> None:
    """Ctrl-C, or the SIGTERM of a container that is stopped, ends with status 130 and the command that goes on."""
    long = tmp_path / "long recipe.toml"
    long.write_text(TINY.read_text().replace("epochs = 12", "epochs = 2000"))
    places = ["--artifacts", str(tmp_path / "artifacts"), "--runs", str(tmp_path / "runs")]
    command = ["python", "-m", "trainer", "train", "--recipe", str(long), *OTHER, *places]
    for first in (1, 3):  # the second time by the very command that the first printed
        ended, stderr, status = _interrupted(command, number)
        assert ended[0] == first
        assert status == 130
        state = torch.load(tmp_path / "runs" / "tiny-1" / "lenet5.ckpt", weights_only=True)
        assert [epoch["epoch"] for epoch in state["history"]] == list(range(1, len(state["history"]) + 1))
        assert len(state["history"]) >= ended[-1]  # its line comes once the epoch is on the disk
        told = re.fullmatch(r"stopped; go on from the last whole epoch with: (.*--resume)\n", stderr)
        assert told, stderr
        command = shlex.split(told[1])
    assert not store.models(tmp_path / "artifacts")


def _interrupted(command: list[str], number: int) -> tuple[list[int], str, int]:
    """The epochs that ended, stderr and the status of a training that gets a signal after two epochs."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    ended: list[int] = []
    with subprocess.Popen(
        [sys.executable, *command[1:]],
        cwd=ROOT,
        env=environment(),
        text=True,
        **pipes,  # type: ignore[call-overload]
    ) as child:
        for line in child.stdout:
            if epoch := re.search(r"epoch +(\d+)/2000", line):
                ended.append(int(epoch[1]))
            if len(ended) == 2:
                child.send_signal(number)
        stderr = child.stderr.read()
    return ended, stderr, child.returncode


_PUBLISH = """
import os, sys, time
from pathlib import Path
from registry import publish, store

root, stop = Path(sys.argv[1]), int(sys.argv[2])
folder = store.version_path(root, "mlp", 1)
files = {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
del files["manifest.json"]
draft = store.manifest(root, "mlp", 1)
(root / "mlp" / "config.pbtxt").unlink()
calls = 0

def stalling(real):
    def call(*arguments, **named):
        global calls
        calls += 1
        if calls == stop:
            print("stalled", flush=True)
            time.sleep(60)
        return real(*arguments, **named)
    return call

for name in ("fsync", "rename", "replace"):
    setattr(os, name, stalling(getattr(os, name)))
publish.publish(root, draft, files)
print("published", flush=True)
time.sleep(60)
"""


@pytest.fixture
def one_version(tiny_run: TinyRun, tmp_path: Path) -> Path:
    """Artifacts that hold one version of the MLP."""
    source = tiny_run.artifacts / "mlp"
    shutil.copytree(source / "1", tmp_path / "mlp" / "1")
    shutil.copy(source / store.CONFIG_FILE, tmp_path / "mlp")
    return tmp_path


@pytest.mark.parametrize("stop", [1, 2, 3, 6, 9, 10, 11, 12, 13, 14, 99])
def test_kill_during_publish(one_version: Path, stop: int) -> None:
    """Killed with -9 in any call that writes or renames, a publish leaves no new version or a whole one."""
    command = [sys.executable, "-c", _PUBLISH, str(one_version), str(stop)]
    with subprocess.Popen(command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout
        word = child.stdout.readline().strip()
        child.send_signal(signal.SIGKILL)
    found = store.versions(one_version, "mlp")
    assert found in ([1], [1, 2])
    assert word in ("stalled", "published")
    if word == "published":
        assert found == [1, 2]
    for version in found:
        open_version(one_version, "mlp", version)
