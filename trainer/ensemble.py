"""What models are worth together: how they disagree, and their errors when unsure answers are withheld."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from registry.rules import RULES, Floats, Rule, combine
from trainer.evaluate import Labels
from trainer.published import Answers

_COVERAGES = (1.0, 0.999, 0.995, 0.99, 0.98, 0.95, 0.9)


@dataclass(frozen=True)
class Pair:
    """On how many pictures two models give different labels, both are wrong, and both are wrong alike."""

    first: str
    second: str
    different: int
    both_wrong: int
    same_wrong: int


@dataclass(frozen=True)
class Coverage:
    """Errors among the surest answers: those of at least this confidence, a share `coverage` of all."""

    name: str
    coverage: float
    confidence: float
    errors: int
    error: float


@dataclass(frozen=True)
class Ensemble:
    """What `evaluate --vote` shows beside the figures of each."""

    pairs: list[Pair]
    coverage: list[Coverage]


def measure(answers: list[Answers], truth: Labels) -> Ensemble:
    """Measure models that answered the same pictures with labels [N]."""
    votes = np.stack([one.chances for one in answers])
    weights = np.array([one.manifest.weight for one in answers], np.float32)
    rules: dict[Rule, Floats] = {rule: combine(votes, weights, rule) for rule in RULES}
    named = {one.name: one.chances for one in answers} | {f"vote: {rule}": rules[rule] for rule in RULES}
    return Ensemble(
        [pair(first, second, truth) for first, second in combinations(answers, 2)],
        [row for name, chances in named.items() for row in coverage(name, chances, truth)],
    )


def pair(first: Answers, second: Answers, truth: Labels) -> Pair:
    """How two models disagree."""
    one, other = first.chances.argmax(1), second.chances.argmax(1)
    both_wrong = (one != truth) & (other != truth)
    return Pair(
        first.name,
        second.name,
        int((one != other).sum()),
        int(both_wrong.sum()),
        int((both_wrong & (one == other)).sum()),
    )


def coverage(name: str, chances: Floats, truth: Labels) -> list[Coverage]:
    """The risk-coverage curve of probabilities [N, 10] at a few points: the least sure answers are withheld first.

    Source: El-Yaniv and Wiener 2010, "On the Foundations of Noise-free Selective Classification".
    """
    confidence = chances.max(1)
    order = np.argsort(-confidence, kind="stable")
    wrong = (chances.argmax(1) != truth)[order].cumsum()
    rows = []
    for share in _COVERAGES:
        answered = max(1, round(share * len(truth)))
        errors = int(wrong[answered - 1])
        rows.append(Coverage(name, share, float(confidence[order[answered - 1]]), errors, errors / answered))
    return rows
