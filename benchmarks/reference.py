"""A process that trains as the MNIST example of github.com/pytorch/examples does, in our own words, as its CPU default.

Two convolutions of 3x3, one pooling, two dense layers, dropout; Adadelta from 1.0, times 0.7 an epoch; batches of 64
in the files' order out of a DataLoader without workers, over torchvision's pictures one by one. After each epoch a
line of JSON: the accuracy on the test set, and the seconds that measuring it took so far.
"""

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.lr_scheduler import StepLR
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

Batches = DataLoader[tuple[Tensor, Tensor]]


class Pictures(datasets.MNIST):  # type: ignore[misc]
    """torchvision's dataset, read from a folder that holds the four files."""

    @property
    def raw_folder(self) -> str:
        """Where the files lie."""
        return str(self.root)


def network() -> nn.Module:
    """Log-probabilities [N, 10] of normalised pictures [N, 1, 28, 28]; 1,199,882 parameters."""
    return nn.Sequential(
        nn.Conv2d(1, 32, 3), nn.ReLU(),
        nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25),
        nn.Flatten(),
        nn.Linear(64 * 12 * 12, 128), nn.ReLU(), nn.Dropout(0.5),
        nn.Linear(128, 10), nn.LogSoftmax(1),
    )  # fmt: skip


def batches(folder: Path, *, train: bool, size: int) -> Batches:
    """One part of MNIST, each picture normalised when it is asked for."""
    steps: Any = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))])
    return DataLoader(Pictures(folder, train=train, transform=steps), size)


def epoch(module: nn.Module, training: Batches, optimiser: torch.optim.Optimizer) -> None:
    """One pass over the training pictures."""
    module.train()
    for pictures, labels in training:
        optimiser.zero_grad()
        F.nll_loss(module(pictures), labels).backward()  # type: ignore[no-untyped-call]
        optimiser.step()


@torch.no_grad()
def accuracy(module: nn.Module, test: Batches) -> float:
    """The share of the test pictures that are read right."""
    module.eval()
    hits = [(module(pictures).argmax(1) == labels).float() for pictures, labels in test]
    return float(torch.cat(hits).mean(dtype=torch.float64))


def main(words: Sequence[str] | None = None) -> None:
    """Train as told by the arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder of MNIST's four files")
    parser.add_argument("--epochs", type=int, default=14)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--until", type=float, default=1.0, help="test accuracy at which to stop")
    told = parser.parse_args(words)
    torch.manual_seed(told.seed)
    training, test = batches(told.data, train=True, size=64), batches(told.data, train=False, size=1000)
    module = network()
    optimiser = torch.optim.Adadelta(module.parameters(), lr=1.0)
    schedule = StepLR(optimiser, step_size=1, gamma=0.7)
    measuring, reached = 0.0, 0.0
    while schedule.last_epoch < told.epochs and reached < told.until:
        epoch(module, training, optimiser)
        schedule.step()
        started = time.perf_counter()
        reached = accuracy(module, test)
        measuring += time.perf_counter() - started
        print(json.dumps({"accuracy": reached, "measuring": measuring}), flush=True)


if __name__ == "__main__":
    main()
