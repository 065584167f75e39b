"""What a trained gate is worth, from the bytes of its `model.pt`: thresholds from validation, then the test set."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from registry import torchscript
from registry.manifest import Metrics, Strictness
from registry.rules import Floats, log_odds, probabilities
from trainer import evaluate
from trainer.gate.examples import DIGIT, Held
from trainer.loop import Trained
from trainer.measure import Split

# The share of validation's digits that may be refused.
REFUSED: dict[Strictness, float] = {"balanced": 0.01, "strict": 0.04}

_POINTS = 200  # of the curve


class Scores(NamedTuple):
    """Log-odds, in nats, that pictures are one digit: of digits by source, and of outliers by kind, [N] each."""

    digits: dict[str, Floats]
    others: dict[str, Floats]


class Point(NamedTuple):
    """At one threshold: the share of digits that are accepted, and of what is accepted the share that is no digit.

    As many outliers as digits are sent. Source: El-Yaniv and Wiener 2010, "On the Foundations of Noise-free Selective
    Classification".
    """

    coverage: float
    error: float


@dataclass(frozen=True)
class Measured:
    """A trained gate: the bytes that would be published, and what they are worth."""

    trained: Trained
    model: bytes
    temperature: float
    thresholds: dict[Strictness, float]
    metrics: dict[Split, Metrics]
    test: Scores

    def refused(self, strictness: Strictness) -> tuple[dict[str, float], dict[str, float]]:
        """Shares of the test's digits by source and of its outliers by kind that a threshold refuses."""
        least = self.thresholds[strictness]
        digits, others = ({name: float((scores < least).mean()) for name, scores in side.items()} for side in self.test)
        return digits, others


def measure(trained: Trained, validation: Held, test: Held) -> Measured:
    """Figures of a gate; every choice is made on validation."""
    model = torchscript.dump(trained.module.to(memory_format=torch.contiguous_format))
    held: dict[Split, Held] = {"validation": validation, "test": test}
    logits = {split: evaluate.logits(model, one.pictures) for split, one in held.items()}
    truth = {split: one.sides for split, one in held.items()}
    temperature = evaluate.fit_temperature(logits["validation"], truth["validation"])
    digits = log_odds(logits["validation"][truth["validation"] == DIGIT], temperature)
    return Measured(
        trained,
        model,
        temperature,
        {strictness: float(np.quantile(digits, share)) for strictness, share in REFUSED.items()},
        {split: evaluate.metrics(probabilities(logits[split], temperature), truth[split]) for split in truth},
        _scores(log_odds(logits["test"], temperature), test),
    )


def curve(scores: Scores) -> list[Point]:
    """Coverage against error, from the strictest threshold to the one that accepts every digit."""
    digits, others = (np.concatenate(list(side.values())) for side in scores)
    points = []
    for coverage in np.linspace(1 / _POINTS, 1, _POINTS):
        least = np.quantile(digits, 1 - coverage)
        passed, wrong = float((digits >= least).mean()), float((others >= least).mean())
        points.append(Point(passed, wrong / (passed + wrong)))
    return points


def _scores(scores: Floats, held: Held) -> Scores:
    """Scores of all pictures, parted by source and kind."""
    sizes = [len(part) for side in (held.digits, held.others) for part in side.values()]
    parts = iter(np.split(scores, np.cumsum(sizes)[:-1]))
    return Scores(*({name: next(parts) for name in side} for side in (held.digits, held.others)))
