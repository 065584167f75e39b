"""The losses by name."""

import torch.nn.functional as F
from torch import Tensor

from trainer.recipe import LossName

# What a loss is counted in, as its curve says.
UNITS: dict[LossName, str] = {"cross_entropy": "nats", "one_hot_squared_error": "squared error"}


def loss(name: LossName, logits: Tensor, labels: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """The mean loss over logits [N, 10], float32, and labels [N], int64.

    `one_hot_squared_error` is the squared distance of the softmax from one-hot targets, summed over the ten labels
    (Brier 1950). Smoothing moves that share of a target from the true label to all ten alike (Szegedy et al. 2016).
    """
    if name == "cross_entropy":
        return F.cross_entropy(logits, labels, label_smoothing=label_smoothing)
    targets = F.one_hot(labels, 10) * (1 - label_smoothing) + label_smoothing / 10
    return (logits.softmax(1) - targets).square().sum(1).mean()
