"""What a fine-tuning starts with: the newest published versions, and the digits that were fed back."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from registry import versions
from registry.address import Location
from registry.open import Artifact
from trainer import data, published, sampling
from trainer import recipe as recipes
from trainer.architecture import Architecture
from trainer.data import Examples
from trainer.errors import TrainerError
from trainer.finetune import ancestry
from trainer.mnist import Further, Mnist
from trainer.recipe import Name, Recipe
from trainer.sources import feedback as source
from trainer.sources.source import Labelled

SOURCE = "feedback"  # what a manifest calls the digits among its data


@dataclass(frozen=True)
class Start:
    """The versions that are trained on, and what on.

    Attributes:
        recipe: of the run, with what it starts from: whose manifest has it can be reproduced.
        bases: the version of each model that it starts from.
        origins: what each of these was before all fine-tuning, and is held against too.
        training: digits that are learnt, beside MNIST's.
        held: digits by which it is judged, and which are never learnt.
        mnist: with the feedback's digest among its files, and what is held out to be measured on.
        repeat: how often each digit is learnt in an epoch.
        notes: what whoever trains should know.
        strict: whether what is worse than its base is refused.
    """

    recipe: Recipe
    bases: dict[Name, Artifact]
    origins: dict[Name, Artifact]
    training: Labelled
    held: Labelled
    mnist: Mnist
    repeat: int
    notes: tuple[str, ...]
    strict: bool = True

    def network(self, name: Name) -> nn.Module:
        """What the training of a model begins with: its batch norms are folded into its weights, and stay so."""
        return published.network(self.bases[name])

    def examples(self, device: torch.device) -> Examples:
        """The digits that are learnt, each as often as the recipe says, on a device."""
        once = data.examples(self.training.pictures, self.training.labels, device)
        return once.take(torch.arange(len(once), device=device).repeat(self.repeat))


def feedback_of(words: Sequence[str]) -> tuple[list[str], Path | None]:
    """What --data names but the store of feedback, and that.

    Raises:
        TrainerError: if there are several.
    """
    prefix = f"{SOURCE}:"
    stores = [Path(word.removeprefix(prefix)) for word in words if word.startswith(prefix)]
    if len(stores) > 1:
        raise TrainerError(f"--data: {len(stores)} stores of feedback; a fine-tuning learns from one")
    return [word for word in words if not word.startswith(prefix)], next(iter(stores), None)


def begin(
    recipe: Recipe, names: Sequence[Name], artifacts: Location, feedback: Path | None, mnist: Mnist
) -> Start | None:
    """Find the versions to start from, and the digits of a store of feedback; None where a recipe starts from nothing.

    The newest version of each model; where the recipe names them by sha256, as a manifest's does, those.

    Raises:
        TrainerError: if a version is not there or of another kind, or there is too little feedback.
        ArtifactError: if a version cannot be trusted.
    """
    if recipe.finetune is None:
        return None
    if feedback is None:
        raise TrainerError(f"recipe {recipe.name}: learns from feedback: give --data feedback:FILE")
    settings = recipe.finetune
    cleaned = source.clean(feedback)
    if settings.sha256 not in (None, cleaned.sha256):
        raise TrainerError(
            f"{feedback}: other feedback than the {settings.digits} digits of sha256 {settings.sha256}; keep what a "
            "version was trained on by python -m service feedback export"
        )
    digits, known = _new(cleaned.digits, mnist)
    training, held = source.split(digits, settings.held)
    if min(len(training), len(held)) < settings.least:
        raise TrainerError(
            f"{feedback}: {len(training)} digits to learn and {len(held)} to judge by are too few; the recipe's "
            f"finetune.least is {settings.least} of each ({cleaned})"
        )
    bases = {name: _base(artifacts, name, settings.base.get(name)) for name in names}
    origins = {name: ancestry.origin(artifacts, name, base) for name, base in bases.items()}
    models = dict(recipe.models)
    for name, base in bases.items():
        models[name] = models[name].model_copy(update={"architecture": _architecture(recipe, name, base)})
    resolved = settings.model_copy(
        update={
            "base": {name: base.manifest.sha256 for name, base in bases.items()},
            "digits": len(cleaned.digits),
            "sha256": cleaned.sha256,
        }
    )
    return Start(
        recipe.model_copy(update={"models": models, "finetune": resolved}),
        bases,
        {name: found for name, (found, _) in origins.items()},
        training,
        held,
        replace(
            mnist,
            sha256={**mnist.sha256, SOURCE: cleaned.sha256},
            further=(*mnist.further, Further(SOURCE, held.pictures, held.labels)),
        ),
        settings.repeat,
        (
            f"{cleaned}{known}: {len(training)} to learn, {len(held)} to judge by",
            *(note for _, note in origins.values() if note),
            *_leaks(recipe, bases, mnist),
        ),
    )


def _new(digits: Labelled, mnist: Mnist) -> tuple[Labelled, str]:
    """Those that are none of MNIST's, and how many are, in words.

    A picture of the test set must not be learnt, and one of the training set is there already.
    """
    parts = [*(part for part in mnist.further), Further("", mnist.test_pictures, mnist.test_labels)]
    theirs = [Labelled(part.pictures, part.labels).digests for part in parts]
    theirs.append(Labelled(mnist.training_pictures, mnist.training_labels).digests)
    there = np.isin(digits.digests, np.concatenate(theirs))
    return digits.take(~there), f", {there.sum()} of which are in the other data" if there.any() else ""


def _base(artifacts: Location, name: Name, wanted: str | None) -> Artifact:
    """The newest version of a model, or the one whose model.pt has this sha256."""
    found = versions.at(artifacts)
    numbers = found.numbers(name)
    if wanted is not None:
        numbers = [each for each in numbers if found.manifest(name, each).sha256 == wanted]
    if not numbers:
        which = f"version with a model.pt of sha256 {wanted}" if wanted else "version"
        raise TrainerError(f"{artifacts}: holds no {which} of {name} to start from")
    return found.open(name, numbers[-1])


def _architecture(recipe: Recipe, name: Name, base: Artifact) -> Architecture:
    """A version's own; the recipe's, where it says one, must be the same."""
    where = f"{name} {base.manifest.version}"
    found = recipes.check(base.manifest.recipe, f"{where}: recipe").models[name].architecture
    if (given := recipe.models[name].architecture).kind != "published" and given != found:
        raise TrainerError(f'recipe: models.{name}.architecture: {where} has another; give {{ kind = "published" }}')
    return found


def _leaks(recipe: Recipe, bases: dict[Name, Artifact], mnist: Mnist) -> list[str]:
    """A line for each version that was itself trained on some of the validation pictures."""
    held = sampling.parts(mnist.training_labels, recipe)[1].numpy()
    lines = []
    for name, base in bases.items():
        if seen := published.seen(base.manifest, held, mnist):
            lines.append(
                f"{name:6} starts from version {base.manifest.version}, which was trained on {seen} of the {len(held)} "
                "validation pictures: validation figures flatter"
            )
    return lines
