"""The vote's rules: what a manifest's `temperature`, `weight` and `thresholds` mean, so that both sides count alike."""

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

Rule = Literal["weighted", "mean", "majority"]
RULES: tuple[Rule, ...] = get_args(Rule)

Floats = NDArray[np.float32]


def probabilities(logits: Floats, temperature: float | Floats) -> Floats:
    """Calibrated probabilities [..., L] of logits [..., L]: the softmax of logits / temperature.

    The temperature may be one of each row, [..., 1].
    Source: Guo et al. 2017, "On Calibration of Modern Neural Networks".
    """
    scaled = logits / np.asarray(temperature, dtype=np.float32)
    exponentials = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=-1, keepdims=True), dtype=np.float32)


def log_odds(logits: Floats, temperature: float) -> Floats:
    """How surely pictures are one digit [N], in nats, of a gate's logits [N, 2] of other and digit."""
    return np.asarray((logits[:, 1] - logits[:, 0]) / np.float32(temperature), dtype=np.float32)


def combine(votes: Floats, weights: Floats, rule: Rule) -> Floats:
    """Combined probabilities [N, 10] of M models' probabilities [M, N, 10] and weights [M].

    `weighted` is the mean by weight, `mean` the plain mean. `majority` is the mean of those models that voted for
    the label with most votes; where several labels share the most, the one with the highest mean probability wins.
    The winning label is the argmax of each row under every rule.
    """
    if rule == "weighted":
        return np.asarray(np.tensordot(weights / weights.sum(), votes, axes=1), dtype=np.float32)
    mean = np.asarray(votes.mean(axis=0), dtype=np.float32)
    if rule == "mean":
        return mean
    labels = votes.argmax(axis=-1)
    counts = (labels[..., None] == np.arange(votes.shape[-1])).sum(axis=0)
    leading = counts == counts.max(axis=-1, keepdims=True)
    winners = np.where(leading, mean, -1.0).argmax(axis=-1)
    backers = (labels == winners)[..., None]
    return np.asarray((votes * backers).sum(axis=0) / backers.sum(axis=0), dtype=np.float32)
