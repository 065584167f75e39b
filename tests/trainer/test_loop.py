"""Training: repeatable, and gone on with after a kill to the same end."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from registry.open import open_version
from tests.trainer.conftest import OTHER, ROOT, TINY, cli, environment
from trainer import loop, mnist, recipe
from trainer.data import Examples, examples
from trainer.errors import DivergedError, TrainerError
from trainer.recipe import NAMES, Name, Recipe, Schedule

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def parts() -> tuple[Examples, Examples]:
    """The small data's training and test part."""
    small = mnist.load(Path(OTHER[1]), other=True)
    return (
        examples(small.training_pictures, small.training_labels, CPU),
        examples(small.test_pictures, small.test_labels, CPU),
    )


def _tiny(**changes: object) -> Recipe:
    """The tiny recipe with its MLP changed; it has dropout, EMA and elastic distortion."""
    found = recipe.read(str(TINY)).model_dump(mode="json")
    found["models"]["mlp"] |= changes
    return Recipe.model_validate(found)


def _equal(first: object, second: object) -> bool:
    if isinstance(first, torch.Tensor) and isinstance(second, torch.Tensor):
        return torch.equal(first, second)
    if isinstance(first, dict) and isinstance(second, dict):
        return first.keys() == second.keys() and all(_equal(first[key], second[key]) for key in first)
    if isinstance(first, list) and isinstance(second, list):
        return len(first) == len(second) and all(map(_equal, first, second))
    return first == second


def _state(checkpoint: Path) -> dict[str, object]:
    state: dict[str, object] = torch.load(checkpoint, weights_only=True)
    del state["seconds"]
    return state


def test_kill_and_resume(tmp_path: Path) -> None:
    """A training killed with -9 and gone on with ends with the very weights and figures of an unbroken one."""
    long = tmp_path / "long.toml"
    text = TINY.read_text().replace("target = 0.5", "target = 0").replace("epochs = 12", "epochs = 1")
    long.write_text(text.replace("epochs = 8", "epochs = 16", 1))
    broken, whole = tmp_path / "broken", tmp_path / "whole"

    def arguments(folder: Path) -> list[str]:
        places = ["--artifacts", str(folder / "artifacts"), "--runs", str(folder / "runs")]
        return ["train", "--recipe", str(long), "--model", "mlp", "--model", "lenet5", *OTHER, *places]

    command = [sys.executable, "-m", "trainer", *arguments(broken)]
    with subprocess.Popen(command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout
        for line in child.stdout:
            if "mlp    epoch  7/16" in line:
                os.kill(child.pid, signal.SIGKILL)
                break
    assert child.returncode == -signal.SIGKILL
    assert not list((broken / "artifacts").iterdir())

    resumed = cli(*arguments(broken), "--resume")
    assert resumed.returncode == 0, resumed.stderr
    assert "mlp    epoch  7/16" not in resumed.stdout  # what was trained is not trained again
    assert "lenet5 its checkpoint is complete: not trained again" in resumed.stdout
    assert "lenet5 epoch" not in resumed.stdout
    assert "mlp    epoch 16/16" in resumed.stdout
    unbroken = cli(*arguments(whole))
    assert unbroken.returncode == 0, unbroken.stderr
    for model in ("mlp", "lenet5"):
        assert _equal(*(_state(folder / "runs" / "tiny-1" / f"{model}.ckpt") for folder in (broken, whole)))
        first, second = (open_version(folder / "artifacts", model, 1).golden.logits for folder in (broken, whole))
        assert np.array_equal(first, second)


def test_repeatable(parts: tuple[Examples, Examples], tmp_path: Path) -> None:
    """The seed decides everything; one model comes out the same whatever was drawn before it."""
    first = loop.train(_tiny(epochs=2), "mlp", *parts, tmp_path / "1.ckpt")
    torch.rand(7)
    second = loop.train(_tiny(epochs=2), "mlp", *parts, tmp_path / "2.ckpt")
    assert _equal(_state(tmp_path / "1.ckpt"), _state(tmp_path / "2.ckpt"))
    assert first.history == second.history


@pytest.mark.parametrize("name", NAMES)
def test_every_model_is_gone_on_with(parts: tuple[Examples, Examples], tmp_path: Path, name: Name) -> None:
    """A model stopped between epochs and gone on with ends as an unbroken one, its optimiser and averages too."""
    tiny = recipe.read(str(TINY))

    def stop(epoch: loop.Epoch, _: int) -> None:
        if epoch.epoch == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        loop.train(tiny, name, *parts, tmp_path / "broken.ckpt", on_epoch=stop)
    loop.train(tiny, name, *parts, tmp_path / "broken.ckpt", resume=True)
    loop.train(tiny, name, *parts, tmp_path / "whole.ckpt")
    assert _equal(_state(tmp_path / "broken.ckpt"), _state(tmp_path / "whole.ckpt"))


def test_without_resume_starts_over(parts: tuple[Examples, Examples], tmp_path: Path) -> None:
    """Without --resume a checkpoint that is there is written over."""
    told: list[int] = []
    for resume in (False, False, True):
        loop.train(
            _tiny(epochs=2), "mlp", *parts, tmp_path / "mlp.ckpt",
            resume=resume, on_epoch=lambda epoch, _: told.append(epoch.epoch),
        )  # fmt: skip
    assert told == [1, 2, 1, 2]


def test_another_recipe_is_refused(parts: tuple[Examples, Examples], tmp_path: Path) -> None:
    """A checkpoint of another recipe is refused, with what differs; another target is no other training."""
    checkpoint = tmp_path / "mlp.ckpt"
    loop.train(_tiny(epochs=1), "mlp", *parts, checkpoint)
    with pytest.raises(
        TrainerError, match=r"made by another recipe or from other data \(it differs in batch_size, epochs\)"
    ):
        loop.train(_tiny(epochs=2, batch_size=10), "mlp", *parts, checkpoint, resume=True)
    loop.train(_tiny(epochs=1, target=0.9), "mlp", *parts, checkpoint, resume=True)
    training, validation = parts
    fewer = training.take(torch.arange(len(training) - 1))
    with pytest.raises(TrainerError, match=r"it differs in data\)"):
        loop.train(_tiny(epochs=1), "mlp", fewer, validation, checkpoint, resume=True)


def test_damaged_checkpoint(parts: tuple[Examples, Examples], tmp_path: Path) -> None:
    """A damaged checkpoint is refused in one line that says what to do."""
    (tmp_path / "mlp.ckpt").write_bytes(b"PK damaged")
    with pytest.raises(TrainerError, match=r"mlp\.ckpt: not a checkpoint that can be read; delete it"):
        loop.train(_tiny(), "mlp", *parts, tmp_path / "mlp.ckpt", resume=True)


class _Infinite(Examples):
    def batch(self, index: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        pictures, labels = super().batch(index)
        return pictures * torch.inf, labels


def test_not_a_number(parts: tuple[Examples, Examples], tmp_path: Path) -> None:
    """A loss that is no number stops training with the epoch and learning rate, and writes no checkpoint."""
    training = _Infinite(parts[0].pictures, parts[0].labels)
    with pytest.raises(DivergedError, match=r"mlp: the loss is nan in epoch 1 at learning rate 0\.0\d+; lower"):
        loop.train(_tiny(), "mlp", training, parts[1], tmp_path / "mlp.ckpt")
    assert not (tmp_path / "mlp.ckpt").exists()


def test_no_number_in_validation(parts: tuple[Examples, Examples], tmp_path: Path) -> None:
    """Weights that an epoch's last step broke are found by validation, and make no checkpoint."""
    validation = _Infinite(parts[1].pictures, parts[1].labels)
    with pytest.raises(DivergedError, match=r"mlp: the loss is nan in epoch 1 "):
        loop.train(_tiny(), "mlp", parts[0], validation, tmp_path / "mlp.ckpt")
    assert not (tmp_path / "mlp.ckpt").exists()


@pytest.mark.parametrize("name", ["one-cycle", "cosine", "linear", "constant"])
def test_schedule(name: str) -> None:
    """A schedule's share is within 0..1, reaches 1, and ends near 0 unless it is constant."""
    schedule = Schedule.model_validate({"name": name, "warmup": 0.25})
    shares = [loop.factor(schedule, step / 1000) for step in range(1000)]
    assert max(shares) == pytest.approx(1, abs=0.005)
    assert min(shares) >= 0
    assert shares[-1] == (1 if name == "constant" else pytest.approx(0, abs=0.005))


def test_bfloat16(parts: tuple[Examples, Examples], tmp_path: Path) -> None:
    """Products in bfloat16 train as well, and what comes out is float32."""
    trained = loop.train(_tiny(precision="bfloat16"), "mlp", *parts, tmp_path / "mlp.ckpt")
    assert trained.history[-1].validation_accuracy > 0.8
    assert {p.dtype for p in trained.module.parameters()} == {torch.float32}


def test_squared_error(parts: tuple[Examples, Examples], tmp_path: Path) -> None:
    """One-hot targets with squared error train as well; validation's loss is of the same kind, at most 2."""
    settings = {"name": "one_hot_squared_error", "label_smoothing": 0.05}
    trained = loop.train(_tiny(loss=settings), "mlp", *parts, tmp_path / "mlp.ckpt")
    last = trained.history[-1]
    assert last.validation_accuracy > 0.8
    assert 0 < last.validation_loss < trained.history[0].validation_loss <= 2
