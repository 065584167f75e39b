"""What a fine-tuning starts with: the newest published versions, and the digits that were fed back."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from registry import store
from registry.open import Artifact, open_version
from trainer import data, published, sampling
from trainer import recipe as recipes
from trainer.architecture import Architecture
from trainer.data import Examples
from trainer.errors import TrainerError
from trainer.finetune.digits import Digits, read, split
from trainer.mnist import Mnist
from trainer.recipe import Name, Recipe

SOURCE = "feedback"  # what a manifest calls the digits among its data


@dataclass(frozen=True)
class Start:
    """The versions that are trained on, and what on.

    Attributes:
        recipe: of the run, with what it starts from: whose manifest has it can be reproduced.
        bases: the version of each model that it starts from.
        training: digits that are learnt, beside MNIST's.
        held: digits by which it is judged, and which are never learnt.
        mnist: with the feedback's digest among its files.
        repeat: how often each digit is learnt in an epoch.
        notes: what whoever trains should know.
        strict: whether what is worse than its base is refused.
    """

    recipe: Recipe
    bases: dict[Name, Artifact]
    training: Digits
    held: Digits
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


def begin(recipe: Recipe, names: Sequence[Name], artifacts: Path, feedback: Path | None, mnist: Mnist) -> Start | None:
    """Find the versions to start from, and the digits of a store of feedback; None where a recipe starts from nothing.

    The newest version of each model; where the recipe names them by sha256, as a manifest's does, those.

    Raises:
        TrainerError: if a version is not there or of another kind, there is too little feedback, or none where the
            recipe wants it, or some where it does not.
        ArtifactError: if a version cannot be trusted.
    """
    if recipe.finetune is None:
        if feedback is not None:
            raise TrainerError(
                f"recipe {recipe.name}: learns no feedback; give one with a table finetune, like --recipe finetune"
            )
        return None
    if feedback is None:
        raise TrainerError(f"recipe {recipe.name}: learns from feedback: give --data feedback:FILE")
    settings = recipe.finetune
    cleaned = read(feedback, mnist)
    if settings.sha256 not in (None, cleaned.digits.digest):
        raise TrainerError(
            f"{feedback}: other feedback than the {settings.digits} digits of sha256 {settings.sha256}; keep what a "
            "version was trained on by python -m service feedback export"
        )
    training, held = split(cleaned.digits, settings.held)
    if min(len(training), len(held)) < settings.least:
        raise TrainerError(
            f"{feedback}: {len(training)} digits to learn and {len(held)} to judge by are too few; the recipe's "
            f"finetune.least is {settings.least} of each ({cleaned})"
        )
    bases = {name: _base(artifacts, name, settings.base.get(name)) for name in names}
    models = dict(recipe.models)
    for name, base in bases.items():
        models[name] = models[name].model_copy(update={"architecture": _architecture(recipe, name, base)})
    resolved = settings.model_copy(
        update={
            "base": {name: base.manifest.sha256 for name, base in bases.items()},
            "digits": len(cleaned.digits),
            "sha256": cleaned.digits.digest,
        }
    )
    return Start(
        recipe.model_copy(update={"models": models, "finetune": resolved}),
        bases,
        training,
        held,
        replace(mnist, sha256={**mnist.sha256, SOURCE: cleaned.digits.digest}),
        settings.repeat,
        (f"{cleaned}: {len(training)} to learn, {len(held)} to judge by", *_leaks(recipe, bases, mnist)),
    )


def _base(artifacts: Path, name: Name, wanted: str | None) -> Artifact:
    """The newest version of a model, or the one whose model.pt has this sha256."""
    numbers = store.versions(artifacts, name)
    if wanted is not None:
        numbers = [each for each in numbers if store.manifest(artifacts, name, each).sha256 == wanted]
    if not numbers:
        which = f"version with a model.pt of sha256 {wanted}" if wanted else "version"
        raise TrainerError(f"{artifacts}: holds no {which} of {name} to start from")
    return open_version(artifacts, name, numbers[-1])


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
