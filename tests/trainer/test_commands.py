"""The command line as a whole."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.trainer.conftest import MODELS, OTHER, ROOT, TINY, TinyRun, cli, process
from trainer.__main__ import app

_IMPORTED = "import sys, trainer.__main__; print({'torch', 'numpy', 'matplotlib', 'optuna'} & set(sys.modules))"


def test_help() -> None:
    """Help lists every command, and what is slow to import is not imported for it."""
    done = process("-h", COLUMNS="100")
    assert done.returncode == 0, done.stderr
    names = [command.callback.__name__ for command in app.registered_commands if command.callback]
    assert names == ["show", "train", "gate", "evaluate", "compare", "reproduce", "onnx", "weigh", "tune", "models"]
    assert all(f" {name} " in done.stdout for name in names)
    imported = subprocess.run([sys.executable, "-c", _IMPORTED], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert imported.stdout.strip() == "set()", imported.stderr


def test_output(tiny_run: TinyRun) -> None:
    """Where no one watches, output is plain lines without control codes: one an epoch, then figures and places."""
    lines = tiny_run.output.splitlines()
    epochs = [line for line in lines if " epoch " in line]
    assert len(epochs) == 12 + 8 + 12
    shape = r"\w+ +epoch +\d+/\d+  training loss [\d.]+ accuracy [\d.]+%  validation loss [\d.]+ accuracy [\d.]+%"
    assert all(re.fullmatch(shape, line) for line in epochs)
    assert not re.search(r"[\x00-\x09\x0b-\x1f]", tiny_run.output)
    assert sum(line.startswith("vote: ") for line in lines) == 3
    assert [line for line in lines if line.startswith("published ")] == [
        f"published {tiny_run.artifacts / model / '1'}" for model in MODELS
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["evaluate", "resnet=1"], "resnet=1: .* holds cnn, lenet5, mlp"),
        (["evaluate", "cnn=99"], "no such version; published are: 1"),
        (["evaluate", "cnn=newest"], "cnn=newest: give MODEL=VERSION, like cnn=1"),
        (["train", "--model", "resnet", "--recipe", str(TINY)], "--model resnet: recipe tiny has lenet5, mlp, cnn"),
        (["train", "--device", "tpu", "--recipe", str(TINY)], "--device tpu: give cpu, cuda or auto"),
        pytest.param(
            ["train", "--device", "cuda", "--recipe", str(TINY)],
            "--device cuda: torch finds no CUDA device here",
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA device is at hand"),
        ),
    ],
)
def test_bad_input(tiny_run: TinyRun, arguments: list[str], message: str) -> None:
    """Bad input is one line on stderr and status 2."""
    done = cli(*arguments, *OTHER, "--artifacts", tiny_run.artifacts)
    assert done.returncode == 2
    assert re.search(message, done.stderr)
    assert done.stderr.count("\n") == 1


def test_models(tiny_run: TinyRun, tmp_path: Path) -> None:
    """`models` lists what is published; an empty folder is said to be empty."""
    done = cli("models", "--artifacts", tiny_run.artifacts)
    assert re.search(r"lenet5 +1 +61,706 ", done.stdout)
    assert "holds no version yet" in cli("models", "--artifacts", tmp_path).stdout
