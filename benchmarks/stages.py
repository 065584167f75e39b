"""A process that trains a model of a recipe for one epoch and prints as JSON how many seconds each stage of it took."""

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.optim.swa_utils import AveragedModel

from benchmarks.clock import Function, now, watching
from trainer import loop, mnist, recipe, sampling
from trainer.augment import Augment
from trainer.data import Examples
from trainer.recipe import Recipe

# The functions between which the training loop divides its time; what is left is its own.
STAGES: dict[str, list[Function]] = {
    "gather": [(Examples, "batch")],
    "augment": [(Augment, "__call__")],
    "forward": [(nn.Module, "__call__"), (loop, "loss_of")],
    "backward": [(Tensor, "backward")],
    "optimiser": [(Optimizer, "zero_grad"), (SGD, "step"), (Adam, "step"), (AdamW, "step")],
    "averaged weights": [(AveragedModel, "update_parameters")],
    "validation": [(loop, "measure")],
}
REST = "rest"


def one_epoch(chosen: Recipe, name: str) -> Recipe:
    """The recipe with one epoch of that model alone."""
    settings = chosen.models[name].model_copy(update={"epochs": 1})  # type: ignore[index]
    return chosen.model_copy(update={"models": {name: settings}})


def main(words: Sequence[str] | None = None) -> None:
    """Train as told by the arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder of MNIST's four files")
    parser.add_argument("--recipe", default="quick")
    parser.add_argument("--model", default="lenet5")
    parser.add_argument("--device", default="cpu")
    told = parser.parse_args(words)
    torch.set_flush_denormal(True)  # as the trainer's own command does
    chosen = one_epoch(recipe.read(told.recipe), told.model)
    training, validation, _ = sampling.split(mnist.load(told.data, other=True), chosen, torch.device(told.device))
    few = torch.arange(chosen.models[told.model].batch_size, device=training.labels.device)
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder) / "model.ckpt"
        loop.train(chosen, told.model, training.take(few), validation, checkpoint)  # what torch does at first use
        with watching(STAGES) as seconds:
            started = now()
            loop.train(chosen, told.model, training, validation, checkpoint)
            total = now() - started
    shares = {stage: seconds[stage] / total for stage in STAGES}
    memory = torch.cuda.max_memory_allocated() if told.device == "cuda" else 0
    line = {"seconds": total, "shares": {**shares, REST: 1 - sum(shares.values())}, "device_memory": memory}
    print(json.dumps(line))


if __name__ == "__main__":
    main()
