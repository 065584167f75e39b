"""A whole run of a gate: draw, train, measure, publish."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from registry import store, versions
from registry.address import Address, Location
from registry.golden import Golden
from registry.manifest import GATE, Manifest
from trainer import data, draft, evaluate, graph, loop, report, sampling
from trainer.errors import TargetMissedError, TrainerError
from trainer.gate import examples
from trainer.gate import report as gate_report
from trainer.gate.examples import Held
from trainer.gate.measure import Measured, measure
from trainer.job import check_writable, checkpoint_path
from trainer.loss import UNITS
from trainer.mnist import Mnist
from trainer.progress import Progress
from trainer.recipe import Name, Recipe

NETWORK: Name = "cnn"  # what a gate's recipe calls its one network
_OUTPUTS = (2, 11)  # other and digit, or other and each digit
_GOLDEN = 15  # digits, and as many outliers


def run(
    recipe: Recipe,
    mnist: Mnist,
    artifacts: Location,
    runs: Path,
    progress: Progress,
    *,
    device: torch.device,
    resume: bool = False,
    on_published: Callable[[Path | Address], None] = lambda _: None,
) -> tuple[Manifest, Measured]:
    """Train a gate and publish its next version, if its target is met.

    Raises:
        TrainerError: if the recipe is no gate's, a folder cannot be written, or a checkpoint is another recipe's.
        TargetMissedError: if its accuracy on the test set and its outliers is below the recipe's target.
        DivergedError: if the loss is no number.
        OSError: if a checkpoint or the version cannot be written.
    """
    outputs = _check(recipe)
    for folder in (artifacts, runs):
        check_writable(folder)
    settings = recipe.models[NETWORK]
    chosen = sampling.parts(mnist.training_labels, recipe)[1].numpy()
    validation = examples.held(
        mnist.training_pictures[chosen], mnist.training_labels[chosen], recipe.seed + 1_000, settings.augmentation
    )
    training = examples.training(mnist, recipe, outputs, device)
    checkpoint = checkpoint_path(runs, recipe, GATE, resume=resume)
    with progress.model(GATE, settings.epochs * data.steps(len(training), settings.batch_size)) as watch:
        trained = loop.train(
            recipe, NETWORK, training, validation.examples(device), checkpoint,
            resume=resume, on_step=watch.step, on_epoch=watch.epoch,
        )  # fmt: skip
    test = held_test(recipe, mnist)
    measured = measure(trained, validation, test)
    accuracy = measured.metrics["test"].accuracy
    if accuracy < settings.target:
        raise TargetMissedError(
            f"gate: test accuracy {accuracy:.2%} is below the recipe's target of {settings.target:.2%}; "
            "no gate was published"
        )
    place = versions.at(artifacts)
    published = place.publish(manifest(recipe, measured, mnist), files(recipe, measured, test))
    on_published(place.where(GATE, published.version))
    return published, measured


def held_test(recipe: Recipe, mnist: Mnist) -> Held:
    """What a gate is measured on: the test set's digits, and outliers of a seed of their own."""
    augmentation = recipe.models[NETWORK].augmentation
    return examples.held(mnist.test_pictures, mnist.test_labels, recipe.seed + 2_000, augmentation)


def _check(recipe: Recipe) -> int:
    """How many outputs a gate's network has."""
    network = recipe.models.get(NETWORK)
    if not recipe.outliers or len(recipe.models) != 1 or not network:
        raise TrainerError(f"recipe {recipe.name}: a gate's has outliers and one model, cnn")
    if network.architecture.kind != "cnn" or network.architecture.outputs not in _OUTPUTS:
        raise TrainerError(f"recipe {recipe.name}: models.cnn.architecture.outputs: a gate has 2 or 11")
    return network.architecture.outputs


def manifest(recipe: Recipe, measured: Measured, mnist: Mnist) -> Manifest:
    """A gate's manifest; it does not vote, so its weight means nothing."""
    return draft.manifest(
        recipe,
        GATE,
        measured.trained,
        measured.metrics,
        mnist,
        temperature=measured.temperature,
        weight=1.0,
        thresholds=measured.thresholds,
    )


def files(recipe: Recipe, measured: Measured, test: Held) -> dict[str, bytes]:
    """Every file of a version but its manifest, by its path within it."""
    held = golden(measured.model, test)
    unit = UNITS[recipe.models[NETWORK].loss.name]
    return {
        store.MODEL_FILE: measured.model,
        store.GRAPH_FILE: graph.dump(measured.trained.module, measured.model, held),
        store.GOLDEN_FILE: held.dump(),
        "report/metrics.json": report.dump(gate_report.figures(recipe, measured)),
        "report/curves.png": report.curves(f"gate, recipe {recipe.name}", measured.trained.history, unit),
        "report/refused.png": gate_report.refused(measured),
        "report/coverage.png": gate_report.coverage(measured),
    }


def golden(model: bytes, test: Held) -> Golden:
    """Digits and outliers, a blank and a full picture, with what `model.pt` gives for them."""
    sides = (np.concatenate(list(side.values())) for side in (test.digits, test.others))
    spread = [side[np.linspace(0, len(side) - 1, _GOLDEN).astype(int)] for side in sides]
    pictures = np.concatenate([*spread, np.zeros((1, 28, 28), np.uint8), np.full((1, 28, 28), 255, np.uint8)])
    return Golden(evaluate.scaled(pictures), evaluate.logits(model, pictures))
