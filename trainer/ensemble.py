"""What models are worth together: how they disagree, and their errors when unsure answers are withheld."""

from dataclasses import asdict, dataclass
from itertools import combinations

import numpy as np

from registry.rules import RULES, Floats, Rule, combine
from trainer.coverage import Coverage, coverage
from trainer.evaluate import Labels
from trainer.published import Answers


@dataclass(frozen=True)
class Pair:
    """On how many pictures two models give different labels, both are wrong, and both are wrong alike."""

    first: str
    second: str
    different: int
    both_wrong: int
    same_wrong: int


@dataclass(frozen=True)
class Named(Coverage):
    """What holds of one model, or of the vote by one rule."""

    name: str


@dataclass(frozen=True)
class Ensemble:
    """What `evaluate --vote` shows beside the figures of each."""

    pairs: list[Pair]
    coverage: list[Named]


def measure(answers: list[Answers], truth: Labels) -> Ensemble:
    """Measure models that answered the same pictures with labels [N]."""
    return Ensemble(
        [pair(first, second, truth) for first, second in combinations(answers, 2)],
        [
            Named(**asdict(row), name=name)
            for name, chances in together(answers).items()
            for row in coverage(chances, truth)
        ],
    )


def together(answers: list[Answers]) -> dict[str, Floats]:
    """Calibrated probabilities [N, 10] of each model and of their vote by each rule, by name."""
    votes = np.stack([one.chances for one in answers])
    weights = np.array([one.manifest.weight for one in answers], np.float32)
    rules: dict[Rule, Floats] = {rule: combine(votes, weights, rule) for rule in RULES}
    return {one.name: one.chances for one in answers} | {f"vote: {rule}": rules[rule] for rule in RULES}


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
