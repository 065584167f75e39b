"""A whole run: train the recipe's models, measure them, hold them against the targets, publish."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from registry import store
from registry.errors import ArtifactError
from registry.manifest import Manifest
from registry.open import open_version
from registry.publish import publish
from trainer import data, draft, loop, robustness, sampling
from trainer.errors import TrainerError
from trainer.loop import Trained
from trainer.measure import Vote, hold, measure
from trainer.mnist import Mnist
from trainer.progress import Progress
from trainer.recipe import Name, Recipe
from trainer.robustness import Voter


@dataclass(frozen=True)
class Published:
    """What a run left behind."""

    manifests: list[Manifest]
    vote: Vote


def run(
    recipe: Recipe,
    names: Sequence[Name],
    mnist: Mnist,
    artifacts: Path,
    runs: Path,
    progress: Progress,
    *,
    device: torch.device,
    resume: bool = False,
) -> Published:
    """Train the named models of a recipe and publish the next version of each, if all targets are met.

    Raises:
        TrainerError: if a folder cannot be written, the data has fewer pictures than the recipe's samples want, a
            checkpoint is another recipe's or the loss is no number.
        TargetMissedError: if a test accuracy is below its target; nothing is published then.
        OSError: if a checkpoint or a version cannot be written.
    """
    for folder in (artifacts, runs):
        _check_writable(folder)  # now, not after minutes of training
    training, validation, held = sampling.split(mnist, recipe, device)
    trained: dict[Name, Trained] = {}
    for name in names:
        settings = recipe.models[name]
        checkpoint = runs / f"{recipe.name}-{recipe.seed}" / f"{name}.ckpt"
        with progress.model(name, settings.epochs * data.steps(len(training), settings.batch_size)) as watch:
            trained[name] = loop.train(
                recipe, name, training, validation, checkpoint,
                resume=resume, on_step=watch.step, on_epoch=watch.epoch,
            )  # fmt: skip
    measured, vote = measure(trained, mnist, held.numpy())
    progress.figures(measured, vote)
    hold(recipe, measured, vote)
    voters = [Voter(one.name, one.model, one.temperature, one.weight) for one in measured]
    robust = robustness.measure(voters, recipe.vote.rule, mnist.test_pictures, mnist.test_labels)
    progress.robustness(robust)
    # All is made before the first is published: nothing is left half done by a picture that cannot be drawn.
    versions = [
        (draft.manifest(recipe, one, mnist, device), draft.files(recipe, one, vote, robust, mnist)) for one in measured
    ]
    return Published([publish(artifacts, manifest, files) for manifest, files in versions], vote)


def _check_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise TrainerError(f"{folder}: cannot be written: {error.strerror or error}") from error


def present(artifacts: Path, names: Sequence[Name]) -> bool:
    """Whether the newest version of each model is there and whole."""
    for name in names:
        version = store.latest(artifacts, name)
        if version is None:
            return False
        try:
            open_version(artifacts, name, version)
        except ArtifactError:
            return False
    return True
