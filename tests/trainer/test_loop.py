"""Training: repeatable, and gone on with after a kill to the same end."""

import copy
import errno
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from registry.open import open_version
from tests.trainer.conftest import OTHER, ROOT, TINY, environment, process
from tests.trainer.test_models import NETWORKS
from trainer import loop, mnist, models, origin, recipe
from trainer.data import Examples, examples
from trainer.errors import DivergedError, TrainerError
from trainer.recipe import NAMES, Name, Optimiser, Recipe, Schedule

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
    del state["seconds"], state["origin"]
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

    resumed = process(*arguments(broken), "--resume")
    assert resumed.returncode == 0, resumed.stderr
    assert "mlp    epoch  7/16" not in resumed.stdout  # what was trained is not trained again
    assert "lenet5 its checkpoint is complete: not trained again" in resumed.stdout
    assert "lenet5 epoch" not in resumed.stdout
    assert "mlp    epoch 16/16" in resumed.stdout
    unbroken = process(*arguments(whole))
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
    """Examples whose batches hold no numbers, from one on."""

    good: Iterator[bool]

    def __init__(self, examples: Examples, first: int = 0) -> None:
        super().__init__(examples.pictures, examples.labels)
        object.__setattr__(self, "good", iter([True] * first))

    def batch(self, index: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        pictures, labels = super().batch(index)
        return pictures * (1 if next(self.good, False) else torch.inf), labels


def test_not_a_number(parts: tuple[Examples, Examples], tmp_path: Path) -> None:
    """A loss that is no number stops training with the epoch and learning rate, and writes no checkpoint."""
    training = _Infinite(parts[0])
    with pytest.raises(DivergedError, match=r"mlp: the loss is nan in epoch 1 at learning rate 0\.0\d+; lower"):
        loop.train(_tiny(), "mlp", training, parts[1], tmp_path / "mlp.ckpt")
    assert not (tmp_path / "mlp.ckpt").exists()


def test_no_number_in_validation(parts: tuple[Examples, Examples], tmp_path: Path) -> None:
    """Weights that an epoch's last step broke are found by validation, and make no checkpoint."""
    validation = _Infinite(parts[1])
    with pytest.raises(DivergedError, match=r"mlp: the loss is nan in epoch 1 "):
        loop.train(_tiny(), "mlp", parts[0], validation, tmp_path / "mlp.ckpt")
    assert not (tmp_path / "mlp.ckpt").exists()


@pytest.mark.parametrize("first", [0, 3, 60])
def test_first_step_without_a_number(parts: tuple[Examples, Examples], tmp_path: Path, first: int) -> None:
    """The rate that is named is that of the first step whose loss is no number, and few steps are trained after it."""
    training = _Infinite(parts[0], first)
    steps: list[None] = []
    settings = {"batch_size": 2, "schedule": {"name": "linear"}}
    rate = 0.05 * (1 - first / (8 * (len(training) // 2)))
    with pytest.raises(DivergedError, match=f"epoch 1 at learning rate {re.escape(f'{rate:.3g}')};"):
        loop.train(
            _tiny(**settings), "mlp", training, parts[1], tmp_path / "mlp.ckpt", on_step=lambda: steps.append(None)
        )
    assert first <= len(steps) < first + 50 < len(training) // 2


@pytest.mark.parametrize(
    ("name", "shares"),
    [
        ("one-cycle", (0.04, 1, 0.75, 0)),
        ("cosine", (1, 0.5 + 0.5**1.5, 0.5, 0)),
        ("linear", (1, 0.75, 0.5, 0)),
        ("constant", (1, 1, 1, 1)),
    ],
)
def test_schedule(name: str, shares: tuple[float, ...]) -> None:
    """Each schedule's share of the rate at the start, at the end of the warm-up, half way and at the end."""
    schedule = Schedule.model_validate({"name": name, "warmup": 0.25})
    assert [loop.factor(schedule, progress) for progress in (0, 0.25, 0.5, 1)] == pytest.approx(shares)


def test_bfloat16(parts: tuple[Examples, Examples], tmp_path: Path) -> None:
    """Products in training are bfloat16, those of measuring and what comes out float32, and the model learns."""
    dtypes: set[tuple[bool, torch.dtype]] = set()

    def look(module: nn.Module, _: object, output: torch.Tensor) -> None:
        if isinstance(module, nn.Linear):
            dtypes.add((module.training, output.dtype))

    handle = nn.modules.module.register_module_forward_hook(look)
    try:
        trained = loop.train(_tiny(precision="bfloat16"), "mlp", *parts, tmp_path / "mlp.ckpt")
    finally:
        handle.remove()
    assert dtypes == {(True, torch.bfloat16), (False, torch.float32)}
    assert trained.history[-1].validation_accuracy > 0.8
    assert {p.dtype for p in trained.module.parameters()} == {torch.float32}


@pytest.mark.parametrize("smoothing", [0, 0.05])
def test_squared_error(parts: tuple[Examples, Examples], tmp_path: Path, smoothing: float) -> None:
    """Training and validation count the squared error of the softmax; only training smooths the targets."""
    training, validation = parts
    wanted = _tiny(
        loss={"name": "one_hot_squared_error", "label_smoothing": smoothing},
        architecture={"kind": "mlp", "widths": [64]}, epochs=1, batch_size=len(training), augmentation={},
    )  # fmt: skip
    fresh = loop._Run(wanted, "mlp", training, validation).module
    trained = loop.train(wanted, "mlp", training, validation, tmp_path / "mlp.ckpt")

    @torch.no_grad()
    def error(module: nn.Module, examples: Examples, smoothing: float) -> float:
        pictures, labels = examples.batch(torch.arange(len(examples)))
        targets = torch.eye(10)[labels] * (1 - smoothing) + smoothing / 10
        return float((module(pictures).softmax(1) - targets).square().sum(1).mean())

    only = trained.history[0]
    assert only.loss == pytest.approx(error(fresh, training, smoothing), rel=1e-4)
    assert only.validation_loss == pytest.approx(error(trained.module, validation, 0), rel=1e-4)


@pytest.mark.parametrize(("name", "kind"), [("sgd", torch.optim.SGD), ("adam", torch.optim.Adam), ("adamw", None)])
def test_optimiser(name: str, kind: type[torch.optim.Optimizer] | None) -> None:
    """The optimiser is of its name, with its rate, momentum and decay; Adam's first beta is the momentum."""
    settings = Optimiser.model_validate({"name": name, "learning_rate": 0.03, "weight_decay": 0.2, "momentum": 0.7})
    made = loop._optimiser(settings, models.LeNet5())
    assert type(made) is (kind or torch.optim.AdamW)
    assert [group["weight_decay"] for group in made.param_groups] == [0.2, 0]
    for group in made.param_groups:
        assert group["lr"] == 0.03
        assert (group["momentum"] if name == "sgd" else group["betas"][0]) == 0.7
        assert name != "sgd" or group["nesterov"]


@pytest.mark.parametrize("name", NETWORKS)
def test_decayed(name: str) -> None:
    """Weights of convolutions and dense layers are decayed, in the network's order; nothing else is."""
    module = NETWORKS[name]
    layers = (nn.Conv2d, models.PartialConvolution, nn.Linear)
    weights = [id(layer.weight) for layer in module.modules() if isinstance(layer, layers)]
    others = [id(parameter) for parameter in module.parameters() if id(parameter) not in weights]
    groups = loop._optimiser(Optimiser(learning_rate=0.1, weight_decay=0.2), module).param_groups
    assert [[id(parameter) for parameter in group["params"]] for group in groups] == [weights, others]


def test_subsampling_is_not_decayed() -> None:
    """The coefficients and biases of 1998's subsampling are left alone, though they have three dimensions."""
    module = NETWORKS["lenet5-1998"]
    _, others = loop._optimiser(Optimiser(learning_rate=0.1), module).param_groups
    assert sum(parameter.ndim == 3 for parameter in others["params"]) == 4


def test_averaged_weights(parts: tuple[Examples, Examples], tmp_path: Path) -> None:
    """With EMA the averaged weights, one update a step, are what is measured and what is published."""
    wanted = _tiny(epochs=2)
    trained = loop.train(wanted, "mlp", *parts, tmp_path / "mlp.ckpt")
    state = torch.load(tmp_path / "mlp.ckpt", weights_only=True)
    assert int(state["ema"].pop("n_averaged")) == 2 * (len(parts[0]) // 20)
    averaged, last = (wanted.models["mlp"].architecture.build() for _ in range(2))
    averaged.load_state_dict({key.removeprefix("module."): value for key, value in state["ema"].items()})
    last.load_state_dict(state["module"])
    pictures, _ = parts[1].batch(torch.arange(20))
    assert torch.allclose(trained.module(pictures), averaged.eval()(pictures), atol=1e-4)
    assert not torch.allclose(trained.module(pictures), last.eval()(pictures), atol=1e-2)
    figures = (trained.history[-1].validation_loss, trained.history[-1].validation_accuracy)
    assert loop.measure(averaged, parts[1], "cross_entropy") == figures


@pytest.mark.parametrize("name", NETWORKS)
def test_integers_are_not_averaged(name: str) -> None:
    """Tables and counters of the averaged network stay those of the trained one, whatever the decay."""
    module = copy.deepcopy(NETWORKS[name])
    averaged = loop._averaged(module, recipe.read(str(TINY)).models["lenet5"])
    assert averaged
    for _ in range(9):
        module.train()(torch.rand(4, 1, 28, 28))
        averaged.update_parameters(module)
    for one, other in zip(averaged.module.buffers(), module.buffers(), strict=True):
        assert one.is_floating_point() or torch.equal(one, other)


def test_another_device_is_refused(parts: tuple[Examples, Examples], tmp_path: Path) -> None:
    """A checkpoint that was made on a GPU is refused on a CPU, in one line that names the way on."""
    checkpoint = tmp_path / "mlp.ckpt"
    loop.train(_tiny(epochs=1), "mlp", *parts, checkpoint)
    _change(checkpoint, cuda=torch.zeros(16, dtype=torch.uint8))
    with pytest.raises(
        TrainerError, match=r"mlp\.ckpt: was made on cuda; give --device cuda, or train without --resume$"
    ):
        loop.train(_tiny(epochs=1), "mlp", *parts, checkpoint, resume=True)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cpu_checkpoint_is_refused_on_a_gpu(parts: tuple[Examples, Examples], tmp_path: Path) -> None:
    """A checkpoint that was made on a CPU is refused on a GPU."""
    loop.train(_tiny(epochs=1), "mlp", *parts, tmp_path / "mlp.ckpt")
    training, validation = (Examples(part.pictures.cuda(), part.labels.cuda()) for part in parts)
    with pytest.raises(TrainerError, match="was made on cpu; give --device cpu"):
        loop.train(_tiny(epochs=1), "mlp", training, validation, tmp_path / "mlp.ckpt", resume=True)


def test_another_version_is_refused(parts: tuple[Examples, Examples], tmp_path: Path) -> None:
    """A checkpoint whose contents do not fit this trainer's is refused in one line."""
    checkpoint = tmp_path / "mlp.ckpt"
    loop.train(_tiny(epochs=1), "mlp", *parts, checkpoint)
    _change(checkpoint, module={})
    with pytest.raises(TrainerError, match=r"mlp\.ckpt: was made by another version of the trainer; train without"):
        loop.train(_tiny(epochs=1), "mlp", *parts, checkpoint, resume=True)


def test_origin(parts: tuple[Examples, Examples], tmp_path: Path) -> None:
    """A training that is gone on with keeps its first origin, and what has changed since is told once."""
    checkpoint, told = tmp_path / "mlp.ckpt", list[str]()
    here = origin.here(CPU)
    first = loop.train(_tiny(epochs=1), "mlp", *parts, checkpoint)
    assert first.origin == here
    begun = {"commit": "a" * 40, "torch": "2.0.0", "device": here.device}
    _change(checkpoint, origin=begun)
    for _ in range(2):  # the second time too: what is written again is the first origin
        resumed = loop.train(_tiny(epochs=1), "mlp", *parts, checkpoint, resume=True, on_changed=told.append)
        assert resumed.origin == origin.Origin(**begun)
    assert told == [f"commit {'a' * 40}, now {here.commit}; torch 2.0.0, now {torch.__version__}"] * 2


def test_checkpoint_without_origin(parts: tuple[Examples, Examples], tmp_path: Path) -> None:
    """An older checkpoint, which does not say where it is from, is gone on with, as from here."""
    checkpoint, told = tmp_path / "mlp.ckpt", list[str]()
    loop.train(_tiny(epochs=1), "mlp", *parts, checkpoint)
    _change(checkpoint, origin=None)
    resumed = loop.train(_tiny(epochs=1), "mlp", *parts, checkpoint, resume=True, on_changed=told.append)
    assert resumed.origin == origin.here(CPU)
    assert not told


def _change(checkpoint: Path, **changes: object) -> None:
    """Change what a checkpoint holds; None takes a key out."""
    state = {**torch.load(checkpoint, weights_only=True), **changes}
    torch.save({key: value for key, value in state.items() if value is not None or key not in changes}, checkpoint)


def test_remains_of_a_kill_are_removed(parts: tuple[Examples, Examples], tmp_path: Path) -> None:
    """What a kill left of a checkpoint is removed an hour later; another's and a young one stay."""
    old, young, other = (tmp_path / name for name in (".mlp.ckpt.1", ".mlp.ckpt.2", ".cnn.ckpt.1"))
    for path in (old, young, other):
        path.touch()
    for path in (old, other):
        os.utime(path, (time.time() - 4000,) * 2)
    loop.train(_tiny(epochs=1), "mlp", *parts, tmp_path / "mlp.ckpt")
    assert {path.name for path in tmp_path.iterdir()} == {"mlp.ckpt", young.name, other.name}


def test_full_disk(parts: tuple[Examples, Examples], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk is an error that names the file, and leaves the checkpoint of the epoch before."""
    calls = iter([False, True])

    def full(_: int) -> None:
        if next(calls):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left") as raised:
        loop.train(_tiny(epochs=3), "mlp", *parts, tmp_path / "mlp.ckpt")
    assert Path(raised.value.filename).name.startswith(".mlp.ckpt.")
    assert [path.name for path in tmp_path.iterdir()] == ["mlp.ckpt"]
    assert len(torch.load(tmp_path / "mlp.ckpt", weights_only=True)["history"]) == 1
