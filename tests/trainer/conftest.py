"""One real, tiny training run that many tests look at, and the command line as users call it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from trainer.__main__ import app

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "data"
TINY = DATA / "tiny.toml"
MODELS = ("lenet5", "mlp", "cnn")  # of the tiny recipe, in its order
OTHER = ("--data", str(DATA), "--allow-other-data")


def environment(**changes: str) -> dict[str, str]:
    """The environment a user has, with one thread: tests share their cores, and tiny batches gain nothing by more."""
    return {**os.environ, "PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), **changes}


def cli(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a command of the trainer in this process, where all that a process of its own would import is imported."""
    words = list(map(str, arguments))
    done = CliRunner().invoke(app, words, prog_name="python -m trainer", catch_exceptions=False)
    return subprocess.CompletedProcess(words, done.exit_code, done.stdout, done.stderr)


def process(*arguments: object, **changes: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m trainer` as users do, with some of the environment changed."""
    command = [sys.executable, "-W", "error", "-m", "trainer", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, env=environment(**changes), capture_output=True, text=True, timeout=120)


@dataclass(frozen=True)
class TinyRun:
    """What a run of the tiny recipe left."""

    artifacts: Path
    runs: Path
    output: str


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Tiny batches gain nothing by a second thread; what a command sets for its process does not outlive the test."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    torch.set_flush_denormal(False)


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory) -> TinyRun:
    """The tiny recipe, trained and published by the real command. Not to be changed by tests."""
    folder = tmp_path_factory.mktemp("tiny")
    done = process("train", "--recipe", TINY, *OTHER, "--artifacts", folder / "artifacts", "--runs", folder / "runs")
    assert done.returncode == 0, done.stderr
    return TinyRun(folder / "artifacts", folder / "runs", done.stdout)
