"""What a published module is worth: accuracy, figures a class, calibration, and the vote of several."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from registry import torchscript
from registry.manifest import Metrics
from registry.rules import RULES, Floats, Rule, combine, probabilities

Labels = NDArray[np.uint8]
Counts = NDArray[np.int64]


@dataclass(frozen=True)
class ClassFigures:
    """How one label was recognised; `support` is how many pictures have it."""

    label: int
    precision: float
    recall: float
    f1: float
    support: int


def logits(model: bytes, pictures: Labels) -> Floats:
    """Logits [N, 10] that the module of `model.pt` gives for pictures [N, 28, 28], uint8, on the CPU."""
    return answer(torchscript.predictor(torchscript.load(model)), pictures)


def answer(predict: Callable[[Floats], Floats], pictures: Labels, size: int = 500) -> Floats:
    """Logits [N, 10] that a predictor gives for pictures [N, 28, 28], uint8, asked in batches."""
    batches = (scaled(pictures[start : start + size]) for start in range(0, len(pictures), size))
    return np.concatenate([predict(batch) for batch in batches])


def scaled(pictures: Labels) -> Floats:
    """What a module is fed: pictures [N, 28, 28], uint8, as [N, 1, 28, 28], float32 in 0..1."""
    return pictures[:, None].astype(np.float32) / np.float32(255)


def metrics(chances: Floats, truth: Labels) -> Metrics:
    """Figures of probabilities [N, 10] against labels [N]."""
    return Metrics(
        examples=len(truth),
        accuracy=float((chances.argmax(1) == truth).mean()),
        loss=cross_entropy(chances, truth),
        calibration_error=calibration_error(chances, truth),
    )


def cross_entropy(chances: Floats, truth: Labels) -> float:
    """Mean negative log of the true label's probability, in nats."""
    true = chances[np.arange(len(truth)), truth].astype(np.float64)
    return float(-np.log(np.maximum(true, np.finfo(np.float32).tiny)).mean())


def calibration_error(chances: Floats, truth: Labels, bins: int = 15) -> float:
    """Expected calibration error over equal bins of confidence (Guo et al. 2017): mean |accuracy - confidence|."""
    confidence = chances.max(1).astype(np.float64)
    correct = (chances.argmax(1) == truth).astype(np.float64)
    which = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = np.bincount(which, correct - confidence, minlength=bins)
    return float(np.abs(gaps).sum() / len(truth))


def confusion(predicted: NDArray[np.integer], truth: Labels) -> Counts:
    """Counts [10, 10]: the row is the true label, the column the predicted one."""
    counts = np.zeros((10, 10), np.int64)
    np.add.at(counts, (truth, predicted), 1)
    return counts


def by_class(counts: Counts) -> list[ClassFigures]:
    """Precision, recall and F1 of each label, from a confusion matrix; 0 where nothing was predicted or is there."""
    hits, predicted, support = counts.diagonal(), counts.sum(0), counts.sum(1)
    precision = hits / np.maximum(predicted, 1)
    recall = hits / np.maximum(support, 1)
    f1 = 2 * hits / np.maximum(predicted + support, 1)
    return [
        ClassFigures(label, float(precision[label]), float(recall[label]), float(f1[label]), int(support[label]))
        for label in range(len(counts))
    ]


def fit_temperature(scores: Floats, truth: Labels) -> float:
    """The temperature in 0.3..20 under which logits [N, 10] have the least cross-entropy.

    By golden section on its logarithm: the cross-entropy has one lowest point there. Source: Guo et al. 2017. Logits
    without an error have none, the lower the better: the bound then keeps answers from being all but certain.
    """

    def loss(exponent: float) -> float:
        return cross_entropy(probabilities(scores, math.exp(exponent)), truth)

    ratio = (math.sqrt(5) - 1) / 2
    low, high = math.log(0.3), math.log(20)
    left, right = high - ratio * (high - low), low + ratio * (high - low)
    left_loss, right_loss = loss(left), loss(right)
    while high - low > 1e-4:
        if left_loss <= right_loss:
            high, right, right_loss = right, left, left_loss
            left = high - ratio * (high - low)
            left_loss = loss(left)
        else:
            low, left, left_loss = left, right, right_loss
            right = low + ratio * (high - low)
            right_loss = loss(right)
    return math.exp((low + high) / 2)


def vote_weight(errors: int, examples: int) -> float:
    """A model's weight in the vote: one over the square of its error rate in percent.

    The rate is smoothed after Laplace. It depends on this model alone, so weights stay comparable when versions mix in
    a rollout. Of the powers tried on validation the square read best (docs/training.md).
    """
    percent = 100 * (errors + 1) / (examples + 2)
    return 1 / percent**2


def vote(votes: Floats, weights: Floats, truth: Labels) -> dict[Rule, Metrics]:
    """Figures of each rule over M models' probabilities [M, N, 10]."""
    return {rule: metrics(combine(votes, weights, rule), truth) for rule in RULES}


def unanimous_errors(votes: Floats, truth: Labels) -> int:
    """On how many pictures all models give the same wrong label: what no rule can mend."""
    labels = votes.argmax(2)
    return int(((labels == labels[0]).all(0) & (labels[0] != truth)).sum())
