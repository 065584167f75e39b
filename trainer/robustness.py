"""What models and their vote are worth on corrupted digits."""

from dataclasses import dataclass

import numpy as np

from registry import torchscript
from registry.rules import Rule, combine, probabilities
from trainer import evaluate
from trainer.corrupt import CORRUPTIONS, corrupt
from trainer.evaluate import Labels


@dataclass(frozen=True)
class Voter:
    """A model as it votes: the bytes of `model.pt`, its temperature and weight."""

    name: str
    model: bytes
    temperature: float
    weight: float


@dataclass(frozen=True)
class Robustness:
    """Test accuracy of each voter, by name, and of their vote, corruption by corruption."""

    voters: dict[str, dict[str, float]]
    vote: dict[str, float]

    def mean(self, name: str | None = None) -> float:
        """Of a voter, or of the vote, over all corruptions."""
        accuracies = self.vote if name is None else self.voters[name]
        return sum(accuracies.values()) / len(accuracies)


def measure(voters: list[Voter], rule: Rule, pictures: Labels, truth: Labels) -> Robustness:
    """Accuracy on each corruption of pictures [N, 28, 28] with labels [N], the vote's by a rule."""
    predictors = [torchscript.predictor(torchscript.load(voter.model)) for voter in voters]
    weights = np.array([voter.weight for voter in voters], np.float32)
    alone: dict[str, dict[str, float]] = {voter.name: {} for voter in voters}
    together: dict[str, float] = {}
    for name in CORRUPTIONS:
        corrupted = corrupt(name, pictures)
        chances = [
            probabilities(evaluate.answer(predict, corrupted), voter.temperature)
            for voter, predict in zip(voters, predictors, strict=True)
        ]
        for voter, one in zip(voters, chances, strict=True):
            alone[voter.name][name] = float((one.argmax(1) == truth).mean())
        together[name] = float((combine(np.stack(chances), weights, rule).argmax(1) == truth).mean())
    return Robustness(alone, together)
