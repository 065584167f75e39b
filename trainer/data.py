"""Pictures and labels as tensors on the device: split, sampled and turned into batches without a DataLoader."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainer.errors import TrainerError


@dataclass(frozen=True)
class Examples:
    """Pictures [N, 28, 28] and labels [N], both uint8 and on one device."""

    pictures: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def __add__(self, other: "Examples") -> "Examples":
        return Examples(torch.cat([self.pictures, other.pictures]), torch.cat([self.labels, other.labels]))

    def to(self, device: torch.device) -> "Examples":
        """The same on a device."""
        return Examples(self.pictures.to(device), self.labels.to(device))

    def batch(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Pictures [n, 1, 28, 28], float32 in 0..1, and labels [n], int64, at an index [n]."""
        return self.pictures[index].unsqueeze(1).float() / 255, self.labels[index].long()

    def take(self, index: Tensor) -> "Examples":
        """The examples at an index, as a set of their own."""
        return Examples(self.pictures[index], self.labels[index])


def examples(pictures: NDArray[np.uint8], labels: NDArray[np.uint8], device: torch.device) -> Examples:
    """Arrays as examples on a device."""
    return Examples(torch.from_numpy(pictures).to(device), torch.from_numpy(labels).to(device))


def split(labels: NDArray[np.uint8], validation: int, seed: int) -> tuple[Tensor, Tensor]:
    """Indices of a training and a validation part, drawn by a seed; each label has its share in both.

    Raises:
        TrainerError: if a part would be empty.
    """
    if not 0 < validation < len(labels):
        raise TrainerError(
            f"recipe: validation: {validation} of {len(labels)} training pictures leaves none to train on"
        )
    random = np.random.default_rng(seed)
    order = random.permutation(len(labels))
    # Stably sorted by how far along its own label's pictures each stands: any first part holds every label's share.
    ranks = np.empty(len(labels))
    for label in np.unique(labels):
        members = order[labels[order] == label]
        ranks[members] = (np.arange(len(members)) + random.random()) / len(members)
    by_rank = np.argsort(ranks, kind="stable")
    held, rest = np.sort(by_rank[:validation]), np.sort(by_rank[validation:])
    return torch.from_numpy(rest), torch.from_numpy(held)


def epoch(count: int, size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Indices of one epoch's batches over `count` examples, shuffled; what does not fill a batch is dropped."""
    order = torch.randperm(count, generator=generator, device=generator.device)
    size = min(size, count)
    for start in range(0, count - size + 1, size):
        yield order[start : start + size]


def steps(count: int, size: int) -> int:
    """How many batches `epoch` gives."""
    return max(1, count // size)
