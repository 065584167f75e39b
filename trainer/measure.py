"""Measuring trained models as they would be published: from the bytes of `model.pt`, each alone and as a vote."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from registry import torchscript
from registry.manifest import Metrics
from registry.rules import RULES, Floats, Rule, combine, probabilities
from trainer import evaluate, weight
from trainer.errors import TargetMissedError
from trainer.evaluate import Labels
from trainer.loop import Trained
from trainer.mnist import Further, Mnist
from trainer.recipe import Name, Recipe

Split = Literal["validation", "test"]


@dataclass(frozen=True)
class Measured:
    """A trained model: the bytes that would be published, what they give and how well that is."""

    name: Name
    trained: Trained
    model: bytes
    temperature: float
    weight: float
    chances: dict[Split, Floats]  # calibrated probabilities [N, 10]
    metrics: dict[Split, Metrics]
    further: dict[str, Metrics] = field(default_factory=dict)  # on the test parts of joined data, by source


@dataclass(frozen=True)
class Vote:
    """The vote of a run's models, by split."""

    models: list[str]
    rules: dict[Split, dict[Rule, Metrics]]
    unanimous_errors: dict[Split, int]
    test: dict[Rule, Floats]  # calibrated probabilities [N, 10]


def measure(trained: dict[Name, Trained], mnist: Mnist, validation: NDArray[np.int64]) -> tuple[list[Measured], Vote]:
    """Figures on the validation part, by its indices, and on the test set, which is read here and nowhere else."""
    truth: dict[Split, Labels] = {"validation": mnist.training_labels[validation], "test": mnist.test_labels}
    pictures: dict[Split, Labels] = {"validation": mnist.training_pictures[validation], "test": mnist.test_pictures}
    harder = weight.distorted(pictures["validation"], truth["validation"])
    measured = [_measure(name, result, pictures, truth, harder, mnist.further) for name, result in trained.items()]
    return measured, together(measured, mnist, validation)


def together(measured: Sequence[Measured], mnist: Mnist, validation: NDArray[np.int64]) -> Vote:
    """The vote of measured models, on the same parts."""
    truth: dict[Split, Labels] = {"validation": mnist.training_labels[validation], "test": mnist.test_labels}
    return vote({one.name: one.chances for one in measured}, [one.weight for one in measured], truth)


def vote(
    chances: Mapping[str, Mapping[Split, Floats]], weights: Sequence[float], truth: Mapping[Split, Labels]
) -> Vote:
    """The vote of models by their calibrated probabilities [N, 10], by name and split."""
    counted = np.array(weights, np.float32)
    votes = {split: np.stack([one[split] for one in chances.values()]) for split in truth}
    return Vote(
        list(chances),
        {split: evaluate.vote(votes[split], counted, truth[split]) for split in truth},
        {split: evaluate.unanimous_errors(votes[split], truth[split]) for split in truth},
        {rule: combine(votes["test"], counted, rule) for rule in RULES},
    )


def hold(recipe: Recipe, measured: list[Measured], vote: Vote) -> None:
    """Hold figures against the recipe's targets; the vote's only where every model of the recipe took part.

    Raises:
        TargetMissedError: naming each that is below its target.
    """
    reached: dict[str, tuple[float, float]] = {
        one.name: (one.metrics["test"].accuracy, recipe.models[one.name].target) for one in measured
    }
    rule = recipe.vote.rule
    if set(vote.models) == set(recipe.models):
        reached[f"the {rule} vote"] = (vote.rules["test"][rule].accuracy, recipe.vote.target)
    missed = [
        f"{name}: test accuracy {accuracy:.2%} is below the recipe's target of {target:.2%}"
        for name, (accuracy, target) in reached.items()
        if accuracy < target
    ]
    if missed:
        raise TargetMissedError(f"{'; '.join(missed)}; nothing was published")


def _measure(
    name: Name,
    trained: Trained,
    pictures: dict[Split, Labels],
    truth: dict[Split, Labels],
    harder: tuple[Labels, Labels],
    further: Sequence[Further],
) -> Measured:
    # Scripted as it is read back: with its weights in the usual order, whatever was faster in training.
    plain = trained.module.to(memory_format=torch.contiguous_format)
    model = torchscript.dump(plain)
    logits: dict[Split, Floats] = {split: evaluate.logits(model, pictures[split]) for split in truth}
    temperature = evaluate.fit_temperature(logits["validation"], truth["validation"])
    chances = {split: probabilities(logits[split], temperature) for split in truth}
    metrics = {split: evaluate.metrics(chances[split], truth[split]) for split in truth}
    beside = {
        one.source: evaluate.metrics(probabilities(evaluate.logits(model, one.pictures), temperature), one.labels)
        for one in further
    }
    return Measured(name, trained, model, temperature, weight.measure(model, *harder), chances, metrics, beside)
