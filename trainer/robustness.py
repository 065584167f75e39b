"""What models and their vote are worth on corrupted digits."""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import fmean

import numpy as np
import torch

from registry import torchscript
from registry.rules import Floats, Rule, combine, probabilities
from trainer import evaluate
from trainer.corrupt import CORRUPTIONS, UNSEEN, corrupt
from trainer.evaluate import Labels

CPU = torch.device("cpu")


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
        return fmean((self.vote if name is None else self.voters[name]).values())

    def unseen(self, name: str | None = None) -> float:
        """Of a voter, or of the vote, over the corruptions that no recipe trains on."""
        accuracies = self.vote if name is None else self.voters[name]
        return fmean(accuracies[corruption] for corruption in UNSEEN)


def measure(voters: list[Voter], rule: Rule, pictures: Labels, truth: Labels, device: torch.device = CPU) -> Robustness:
    """Accuracy on each corruption of pictures [N, 28, 28] with labels [N], the vote's by a rule."""
    predictors = [_predictor(voter, device) for voter in voters]
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


def _predictor(voter: Voter, device: torch.device) -> Callable[[Floats], Floats]:
    module = torchscript.load(voter.model, device)
    # On a CPU this is most of the time that follows training.
    return torchscript.predictor(torchscript.optimize(module) if device == CPU else module, device)
