"""A whole run: train the recipe's models, measure them, hold them against the targets, publish."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from registry import versions as published
from registry.address import Address, Location
from registry.bucket import Bucket
from registry.errors import ArtifactError
from registry.manifest import Manifest
from registry.objects import StoreError
from trainer import data, draft, loop, robustness, sampling, teacher
from trainer.console import say
from trainer.data import Examples
from trainer.errors import DivergedError, RefusedError, TargetMissedError, TrainerError
from trainer.finetune import admission, served
from trainer.finetune.start import Start
from trainer.loop import Trained
from trainer.measure import Measured, Vote, hold, measure, together
from trainer.mnist import Mnist
from trainer.progress import Progress
from trainer.recipe import Name, Recipe
from trainer.robustness import Robustness, Voter


@dataclass(frozen=True)
class Published:
    """What a run left behind, and what its user has yet to put right."""

    manifests: list[Manifest]
    trouble: TrainerError | None  # of models that were not published


def run(
    recipe: Recipe,
    names: Sequence[Name],
    mnist: Mnist,
    artifacts: Location,
    runs: Path,
    progress: Progress,
    *,
    device: torch.device,
    start: Start | None = None,
    resume: bool = False,
    on_published: Callable[[Path | Address], None] = lambda _: None,
) -> Published:
    """Train the named models of a recipe and publish the next version of each, if all targets are met.

    What teaches them is trained before them, and published only where it is named itself. With `start` they begin with
    its versions and learn its feedback too; each that is then no worse is published, and the others are returned.

    Raises:
        TrainerError: if a folder cannot be written, the data has fewer pictures than the recipe's samples want, a
            checkpoint is another recipe's or of another kind of device, a version that teaches is not to be had.
        ArtifactError: if a version that teaches cannot be trusted.
        TargetMissedError: if a test accuracy is below its target; nothing is published then.
        RefusedError: if each model is worse than the version that it started from.
        DivergedError: if no model's loss stayed a number; where some did, these are published and the error returned.
        OSError: if a checkpoint or a version cannot be written; `on_published` was told of each version before that.
    """
    for folder in (artifacts, runs):
        check_writable(folder)  # now, not after minutes of training
    training, validation, held = sampling.split(mnist, recipe, device)
    if start:
        training += start.examples(device)
        for line in start.notes:
            say(progress.console, line)
    ordered = recipe.in_order(names)
    recipe = teacher.pinned(recipe, ordered)
    for line in teacher.leaks(recipe, ordered, mnist):
        say(progress.console, line)
    checkpoints = {name: checkpoint_path(runs, recipe, name, resume=resume) for name in ordered}
    trained, reasons = _train(recipe, checkpoints, training, validation, progress, start=start, resume=resume)
    wanted = {name: trained[name] for name in names if name in trained}
    if not wanted:
        raise DivergedError(f"{reasons}; nothing was published")
    measured, vote = measure(wanted, mnist, held.numpy())
    progress.figures(measured, vote)
    judged = {one.name: one for one in admission.judge(start, measured)} if start else {}
    for line in (line for one in judged.values() for line in one.lines()):
        say(progress.console, line)
    refused = {one.name: one.refused for one in judged.values() if one.refused} if start and start.strict else {}
    trouble = _trouble(reasons, [*refused.values()])
    try:
        hold(recipe, measured, vote)
    except TargetMissedError as missed:
        raise TargetMissedError(f"{missed}; {trouble}" if trouble else missed) from missed
    if refused:
        measured = [one for one in measured if one.name not in refused]
        if not measured:
            raise RefusedError(f"{trouble}; nothing was published")
        vote = together(measured, mnist, held.numpy())
    voted = served.measure(start, measured, artifacts) if start and start.strict else None
    for line in voted.lines() if voted else ():
        say(progress.console, line)
    voters = [Voter(one.name, one.model, one.temperature, one.weight) for one in measured]
    robust = robustness.measure(voters, recipe.vote.rule, mnist.test_pictures, mnist.test_labels, device)
    progress.robustness(robust)
    # All is made before the first is published: nothing is left half done by a picture that cannot be drawn.
    learnt = {name: {**one.report(), **({"served": voted.report()} if voted else {})} for name, one in judged.items()}
    versions = [_version(recipe, one, vote, robust, mnist, learnt.get(one.name)) for one in measured]
    manifests: list[Manifest] = []
    for manifest, files in versions:
        manifests.append(_publish(artifacts, manifest, files))
        on_published(published.at(artifacts).where(manifest.name, manifests[-1].version))
    return Published(manifests, trouble)


def _trouble(diverged: str, refused: list[str]) -> TrainerError | None:
    """What is told of models that are not published where others are."""
    if refused:
        return RefusedError("; ".join([*refused, *([diverged] if diverged else [])]))
    if diverged:
        return DivergedError(f"{diverged}, then go on with --resume, which keeps what the other models trained")
    return None


def _version(
    recipe: Recipe, one: Measured, vote: Vote, robust: Robustness, mnist: Mnist, learnt: dict[str, Any] | None
) -> tuple[Manifest, dict[str, bytes]]:
    """A version's manifest and its other files; of one that learnt from feedback the report says how it was judged."""
    manifest = draft.manifest(
        recipe, one.name, one.trained, one.metrics, mnist, temperature=one.temperature, weight=one.weight
    )
    more = {"finetune": learnt} if learnt else None
    return manifest, draft.files(recipe, one, vote, robust, mnist, more)


def _publish(artifacts: Location, manifest: Manifest, files: dict[str, bytes]) -> Manifest:
    hint = f"{manifest.name} was not published; put that right, then --resume publishes without training again"
    try:
        return published.at(artifacts).publish(manifest, files)
    except StoreError as error:
        raise StoreError(f"{error}; {hint}") from error
    except OSError as error:
        raise OSError(error.errno, f"{error.strerror}; {hint}", error.filename) from error


def _train(
    recipe: Recipe,
    checkpoints: dict[Name, Path],
    training: Examples,
    validation: Examples,
    progress: Progress,
    *,
    start: Start | None,
    resume: bool,
) -> tuple[dict[Name, Trained], str]:
    """Train each model, and say which were stopped: one whose loss becomes no number, and those it was to teach."""
    trained: dict[Name, Trained] = {}
    stopped: list[DivergedError] = []
    device = training.labels.device
    for name, checkpoint in checkpoints.items():
        settings = recipe.models[name]

        def changed(what: str, name: Name = name) -> None:
            say(progress.console, f"{name:6} begun elsewhere, as its manifest will say: {what}")

        if (absent := recipe.taught_by(name)) and absent not in trained:
            stopped.append(DivergedError(f"{name}: not trained, as its teacher {absent} was not"))
            progress.stopped(stopped[-1])
            continue
        try:
            taught_by = teacher.of(recipe, name, {one: trained[one].module for one in trained}, device)
            with progress.model(name, settings.epochs * data.steps(len(training), settings.batch_size)) as watch:
                trained[name] = loop.train(
                    recipe, name, training, validation, checkpoint,
                    teacher=taught_by, start=start.network(name) if start else None, resume=resume,
                    on_step=watch.step, on_epoch=watch.epoch, on_changed=changed,
                )  # fmt: skip
        except DivergedError as error:
            progress.stopped(error)
            stopped.append(error)
            _set_aside(checkpoint)
    return trained, "; ".join(map(str, stopped))


def _set_aside(checkpoint: Path) -> None:
    # Under its own name it would be refused by --resume with the lower rate, and diverge again with the old one.
    if checkpoint.exists():
        checkpoint.replace(checkpoint.with_suffix(".diverged.ckpt"))


def checkpoint_path(runs: Path, recipe: Recipe, name: str, *, resume: bool) -> Path:
    """Where a model's checkpoint lies; an older run's is removed unless that is to be gone on with."""
    path = runs / f"{recipe.name}-{recipe.seed}" / f"{name}.ckpt"
    if not resume:  # a later --resume must not take an older run's for this one's
        path.unlink(missing_ok=True)
    return path


def check_writable(folder: Location) -> None:
    """Make a folder where there is none, and a file in it; or put an object at an address.

    Raises:
        TrainerError: naming the folder, if it cannot be written.
        StoreError: naming the address, if it cannot.
    """
    if isinstance(folder, Address):
        Bucket(folder).check_writable()
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise TrainerError(f"{folder}: cannot be written: {error.strerror or error}") from error


def present(artifacts: Location, names: Sequence[str]) -> bool:
    """Whether the newest version of each model is there and whole.

    Raises:
        StoreError: if an object store cannot be asked.
    """
    found = published.at(artifacts)
    for name in names:
        numbers = found.numbers(name)
        if not numbers:
            return False
        try:
            found.open(name, numbers[-1])
        except StoreError:
            raise
        except ArtifactError:
            return False
    return True
