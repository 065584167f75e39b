"""A process that trains one model of a recipe and prints, after each epoch, its test accuracy as JSON.

Lines are those of `benchmarks.reference`. The test set stands where validation's pictures do in a run, for the clock
alone: nothing is chosen by it.
"""

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks.clock import watching
from trainer import data, loop, mnist, recipe, sampling
from trainer.loop import Epoch


def main(words: Sequence[str] | None = None) -> None:
    """Train as told by the arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder of MNIST's four files")
    parser.add_argument("--recipe", default="fast")
    parser.add_argument("--model", default="lenet5")
    parser.add_argument("--seed", type=int, default=1)
    told = parser.parse_args(words)
    torch.set_flush_denormal(True)  # as the trainer's own command does
    chosen = recipe.read(told.recipe, told.seed)
    images, device = mnist.load(told.data, other=True), torch.device("cpu")
    training, _, _ = sampling.split(images, chosen, device)
    test = data.examples(images.test_pictures, images.test_labels, device)
    with tempfile.TemporaryDirectory() as folder, watching({"measuring": [(loop, "measure")]}) as seconds:

        def tell(epoch: Epoch, _: int) -> None:
            line = {"accuracy": epoch.validation_accuracy, "measuring": seconds["measuring"]}
            print(json.dumps(line), flush=True)

        loop.train(chosen, told.model, training, test, Path(folder) / "model.ckpt", on_epoch=tell)


if __name__ == "__main__":
    main()
