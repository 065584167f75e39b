"""Training one model: epochs, the averaged weights, a checkpoint after each epoch, and going on after a kill."""

import copy
import hashlib
import io
import json
import math
import os
import random
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from registry import disk
from trainer import data, models, origin
from trainer.augment import Augment
from trainer.data import Examples
from trainer.errors import DivergedError, TrainerError
from trainer.loss import loss as loss_of
from trainer.origin import Origin
from trainer.recipe import LossName, ModelRecipe, Name, Optimiser, Recipe, Schedule
from trainer.teacher import Teacher


@dataclass(frozen=True)
class Epoch:
    """One epoch's figures; those of training are over its distorted pictures, while weights still moved."""

    epoch: int
    loss: float
    accuracy: float
    validation_loss: float
    validation_accuracy: float
    learning_rate: float


@dataclass
class Trained:
    """A trained module as it is published, in eval mode, with the story of its training."""

    module: nn.Module
    origin: Origin
    history: list[Epoch] = field(default_factory=list)
    seconds: float = 0.0


Tensors = tuple[Tensor, ...] | list[Tensor]
Step = Callable[[], None]
Told = Callable[[Epoch, int], None]  # the epoch that ended, and how many there are

_CHECKED = 50  # steps between looks at the loss: each waits for the device
_DECAYED = (nn.Linear, nn.Conv2d, models.PartialConvolution)


def _unwatched(*_: object) -> None:
    """Nobody watches."""


def train(
    recipe: Recipe,
    name: Name,
    training: Examples,
    validation: Examples,
    checkpoint: Path,
    *,
    teacher: Teacher | None = None,
    start: nn.Module | None = None,
    resume: bool = False,
    on_step: Step = _unwatched,
    on_epoch: Told = _unwatched,
    on_changed: Callable[[str], None] = _unwatched,
) -> Trained:
    """Train one model of a recipe, from random weights or from those of `start`.

    With `resume` it goes on from where its checkpoint stands, to the same end.

    A training that was begun by other source, torch or device is gone on with: `on_changed` is told what differs.

    Raises:
        TrainerError: if the checkpoint is another recipe's, of another kind of device, or cannot be read.
        DivergedError: if the loss is no number; the checkpoint is that of the last good epoch, if there was one.
    """
    disk.remove_stale(checkpoint.parent, f".{checkpoint.name}.*")
    run = _Run(recipe, name, training, validation, teacher, start)
    if resume and checkpoint.exists():
        now = run.origin
        run.load(checkpoint)
        if changed := run.origin.changed(now):
            on_changed(changed)
        for _ in range(run.steps * len(run.history)):
            on_step()
    while len(run.history) < run.settings.epochs:
        started = time.monotonic()
        run.epoch(on_step)
        run.seconds += time.monotonic() - started
        run.save(checkpoint)
        on_epoch(run.history[-1], run.settings.epochs)
    return Trained(models.folded(run.averaged), run.origin, run.history, run.seconds)


class _Run:
    """All that changes during a training, which is what a checkpoint holds."""

    def __init__(
        self,
        recipe: Recipe,
        name: Name,
        training: Examples,
        validation: Examples,
        teacher: Teacher | None = None,
        start: nn.Module | None = None,
    ) -> None:
        self.name, self.training, self.validation, self.teacher = name, training, validation, teacher
        self.settings = recipe.models[name]
        if bool(self.settings.teacher) != bool(teacher):
            raise ValueError(f"models.{name}.teacher: a model is taught if its recipe says so, and only then")
        self.identity = identity(recipe, name, training, teacher, start)
        self.steps = data.steps(len(training), self.settings.batch_size)
        device = training.labels.device
        # From the name too: one model trained alone comes out as it does among the others.
        seed = random.Random(f"{recipe.seed} {name}").getrandbits(63)  # noqa: S311
        torch.manual_seed(seed)  # initial weights and dropout draw from the global generator
        self.generator = torch.Generator(device).manual_seed(seed)
        module = (copy.deepcopy(start) if start else self.settings.architecture.build()).to(device)
        # Convolutions on a CPU are faster with the channels last.
        self.module = module.to(memory_format=torch.channels_last)
        self.ema = _averaged(self.module, self.settings)
        self.optimiser = _optimiser(self.settings.optimiser, self.module)
        self.augment = Augment(self.settings.augmentation, self.generator)
        self.origin = origin.here(device)
        self.history: list[Epoch] = []
        self.seconds = 0.0

    @property
    def averaged(self) -> nn.Module:
        """The module that is measured and published."""
        module: nn.Module = self.ema.module if self.ema else self.module
        return module

    def epoch(self, on_step: Step) -> None:
        """One pass over the training pictures, then the figures of both parts."""
        done = len(self.history)
        total = self.steps * self.settings.epochs
        device = self.training.labels.device
        loss_sum, correct, seen = torch.zeros((), device=device), torch.zeros((), device=device), 0
        rates: list[float] = []
        losses: list[Tensor] = []
        self.module.train()
        for step, index in enumerate(data.epoch(len(self.training), self.settings.batch_size, self.generator)):
            rate = self.settings.optimiser.learning_rate * factor(
                self.settings.schedule, (done * self.steps + step) / total
            )
            batch_loss, hits = self._step(index, rate)
            rates.append(rate)
            losses.append(batch_loss)
            loss_sum += batch_loss * len(index)
            correct += hits
            seen += len(index)
            if len(losses) % _CHECKED == 0:
                self._check(torch.stack(losses[-_CHECKED:]).tolist(), rates[-_CHECKED:])
            on_step()
        validation_loss, validation_accuracy = measure(self.averaged, self.validation, self.settings.loss.name)
        loss, accuracy = float(loss_sum) / seen, float(correct) / seen
        # Only validation sees what the last step broke.
        self._check([*torch.stack(losses).tolist(), loss + validation_loss], [*rates, rates[-1]])
        self.history.append(Epoch(done + 1, loss, accuracy, validation_loss, validation_accuracy, rates[-1]))

    def _check(self, losses: list[float], rates: list[float]) -> None:
        """Stop at the first loss that is no number, and name its step's learning rate."""
        for loss, rate in zip(losses, rates, strict=True):
            if not math.isfinite(loss):
                raise DivergedError(
                    f"{self.name}: the loss is {loss} in epoch {len(self.history) + 1} at learning rate {rate:.3g}; "
                    f"lower models.{self.name}.optimiser.learning_rate"
                )

    def _step(self, index: Tensor, rate: float) -> tuple[Tensor, Tensor]:
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        pictures, labels = self.training.batch(index)
        pictures = self.augment(pictures)
        with torch.autocast(pictures.device.type, torch.bfloat16, enabled=self.settings.precision == "bfloat16"):
            logits = self.module(pictures)
        logits = logits.float()
        loss = loss_of(self.settings.loss.name, logits, labels, self.settings.loss.label_smoothing)
        if self.teacher:
            loss = self.teacher.mixed(loss, logits, pictures)
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        if self.ema:
            self.ema.update_parameters(self.module)
        return loss.detach(), (logits.detach().argmax(1) == labels).sum()

    def save(self, path: Path) -> None:
        """Write a checkpoint beside its place and rename it there: a kill leaves the old one or the new one."""
        beside = path.with_name(f".{path.name}.{os.getpid()}")
        buffer = io.BytesIO()  # torch turns a full disk into an error of its own that does not say so
        torch.save(self._state(), buffer)
        try:
            disk.write(beside, buffer.getbuffer())
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)

    def _state(self) -> dict[str, Any]:
        device = self.generator.device
        return {
            "identity": self.identity,
            "origin": asdict(self.origin),
            "module": self.module.state_dict(),
            "ema": self.ema.state_dict() if self.ema else None,
            "optimiser": self.optimiser.state_dict(),
            "generator": self.generator.get_state(),
            "global": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
            "history": [asdict(epoch) for epoch in self.history],
            "seconds": self.seconds,
        }

    def load(self, path: Path) -> None:
        """Go on from a checkpoint.

        Raises:
            TrainerError: if it is damaged, another recipe's, or of another kind of device.
        """
        device = self.generator.device
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
            found = state["identity"]
        except Exception as error:  # torch raises many kinds for a damaged file
            raise TrainerError(f"{path}: not a checkpoint that can be read; delete it to start over") from error
        if found != self.identity:
            raise TrainerError(
                f"{path}: was made by another recipe or from other data ({_difference(found, self.identity)}); "
                "train without --resume to start over, or give another --runs"
            )
        made_on = "cpu" if state["cuda"] is None else "cuda"
        if made_on != device.type:  # their generators cannot go on with each other's numbers
            raise TrainerError(f"{path}: was made on {made_on}; give --device {made_on}, or train without --resume")
        try:
            self._restore(state)
        except (KeyError, RuntimeError, TypeError, ValueError) as error:
            raise TrainerError(f"{path}: was made by another version of the trainer; train without --resume") from error

    def _restore(self, state: dict[str, Any]) -> None:
        device = self.generator.device
        self.module.load_state_dict(state["module"])
        if self.ema:
            self.ema.load_state_dict(state["ema"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.generator.set_state(state["generator"])
        torch.set_rng_state(state["global"])
        if device.type == "cuda":
            torch.cuda.set_rng_state(state["cuda"], device)
        if "origin" in state:
            self.origin = Origin(**state["origin"])
        self.history = [Epoch(**epoch) for epoch in state["history"]]
        self.seconds = state["seconds"]


def identity(
    recipe: Recipe, name: Name, training: Examples, teacher: Teacher | None = None, start: nn.Module | None = None
) -> str:
    """What must be the same for a checkpoint to be gone on with: what the model's training depends on."""
    digest = hashlib.sha256(training.pictures.cpu().numpy().tobytes() + training.labels.cpu().numpy().tobytes())
    settings = recipe.models[name].model_dump(mode="json", exclude={"target", "teacher"})
    taught = {"teacher": teacher.identity} if teacher else {}
    begun = {"start": models.digest([start])} if start else {}
    return json.dumps({"data": digest.hexdigest(), "seed": recipe.seed, **settings, **taught, **begun}, sort_keys=True)


def _difference(found: object, wanted: str) -> str:
    try:
        old, new = json.loads(str(found)), json.loads(wanted)
        keys = [key for key in sorted({*old, *new}) if old.get(key) != new.get(key)]
    except (ValueError, TypeError):
        keys = []
    return f"it differs in {', '.join(keys)}" if keys else "it differs"


def factor(schedule: Schedule, progress: float) -> float:
    """The share of the highest learning rate at a progress in 0..1. One-cycle: Smith and Topin 2018."""
    if schedule.name == "constant":
        return 1.0
    if schedule.name == "one-cycle":
        if progress < schedule.warmup:
            return 0.04 + 0.96 * progress / schedule.warmup
        progress = (progress - schedule.warmup) / (1 - schedule.warmup)
    if schedule.name == "linear":
        return 1 - progress
    return 0.5 * (1 + math.cos(math.pi * progress))


@torch.inference_mode()
def measure(module: nn.Module, examples: Examples, name: LossName, size: int = 1000) -> tuple[float, float]:
    """Mean loss, without smoothing, and accuracy over examples."""
    module.eval()
    loss, correct = 0.0, 0
    order = torch.arange(len(examples), device=examples.labels.device)
    for start in range(0, len(examples), size):
        pictures, labels = examples.batch(order[start : start + size])
        logits = module(pictures)
        loss += float(loss_of(name, logits, labels)) * len(labels)
        correct += int((logits.argmax(1) == labels).sum())
    return loss / len(examples), correct / len(examples)


def _averaged(module: nn.Module, settings: ModelRecipe) -> AveragedModel | None:
    if not settings.ema:
        return None
    average = get_ema_multi_avg_fn(settings.ema)  # type: ignore[no-untyped-call]

    def update(averaged: Tensors, current: Tensors, count: Tensor | int) -> None:
        if averaged[0].is_floating_point():
            average(averaged, current, count)
        else:  # tables and counters: the average of 7 and 7 would be cut off to 6
            for one, other in zip(averaged, current, strict=True):
                one.copy_(other)

    return AveragedModel(module, multi_avg_fn=update, use_buffers=True)


def _optimiser(settings: Optimiser, module: nn.Module) -> torch.optim.Optimizer:
    # Biases, batch norm and the like are not decayed: they cannot overfit, and decay only pulls them off their scale.
    weights = {layer.weight for layer in module.modules() if isinstance(layer, _DECAYED)}
    decayed = [parameter for parameter in module.parameters() if parameter in weights]
    others = [parameter for parameter in module.parameters() if parameter not in weights]
    groups: list[dict[str, Any]] = [
        {"params": decayed, "weight_decay": settings.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    if settings.name == "sgd":
        nesterov = settings.momentum > 0
        return torch.optim.SGD(groups, settings.learning_rate, settings.momentum, nesterov=nesterov, fused=True)
    kind = torch.optim.Adam if settings.name == "adam" else torch.optim.AdamW
    return kind(groups, settings.learning_rate, betas=(settings.momentum, 0.999), fused=True)
