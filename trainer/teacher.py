"""Teachers: what other networks make of the same distorted pictures, as a part of the loss."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from registry.manifest import GATE
from registry.open import Artifact, open_version
from trainer import published, sampling
from trainer.errors import TrainerError
from trainer.mnist import Mnist
from trainer.models import digest
from trainer.recipe import ModelRecipe, Name, Recipe, Teaching


class Teacher:
    """Networks whose mean probabilities a model learns from, beside the labels.

    Source: Hinton, Vinyals and Dean 2015, "Distilling the Knowledge in a Neural Network".

    Args:
        networks: in eval mode; they are moved to the device.
        teaching: their share of the loss, and the temperature.
        bfloat16: whether their products are.
    """

    def __init__(
        self, networks: Sequence[nn.Module], teaching: Teaching, device: torch.device, *, bfloat16: bool = False
    ) -> None:
        # Convolutions on a CPU are faster with the channels last.
        self.networks = [one.to(device=device, memory_format=torch.channels_last).eval() for one in networks]  # type: ignore[call-overload]
        self.teaching = teaching
        self.bfloat16 = bfloat16

    @property
    def identity(self) -> dict[str, str | float]:
        """What of them a training depends on."""
        return {"weights": digest(self.networks), **self.teaching.model_dump(include={"weight", "temperature"})}

    @torch.no_grad()  # inference_mode's tensors cannot stand in a loss
    def chances(self, pictures: Tensor) -> Tensor:
        """Their mean probabilities [N, 10] at the temperature, for pictures [N, 1, 28, 28]."""
        with torch.autocast(pictures.device.type, torch.bfloat16, enabled=self.bfloat16):
            logits = torch.stack([network(pictures) for network in self.networks])
        return (logits.float() / self.teaching.temperature).softmax(2).mean(0)

    def mixed(self, hard: Tensor, logits: Tensor, pictures: Tensor) -> Tensor:
        """The labels' loss mixed with the divergence from the teachers, of logits [N, 10] for these pictures."""
        temperature, weight = self.teaching.temperature, self.teaching.weight
        divergence = F.kl_div((logits / temperature).log_softmax(1), self.chances(pictures), reduction="batchmean")
        # Gradients shrink with the square of the temperature; so scaled, its choice leaves the mixture as it is.
        return (1 - weight) * hard + weight * temperature**2 * divergence


def of(recipe: Recipe, name: Name, trained: Mapping[Name, nn.Module], device: torch.device) -> Teacher | None:
    """Who teaches a model: another of the recipe, of those already trained, or published versions.

    Raises:
        TrainerError: as `pinned` does.
        ArtifactError: if a version cannot be trusted.
    """
    settings = recipe.models[name]
    if settings.teacher is None:
        return None
    if settings.teacher.model:
        networks = [trained[settings.teacher.model]]
    else:
        networks = [published.network(version) for version in _versions(name, settings)]
    return Teacher(networks, settings.teacher, device, bfloat16=settings.precision == "bfloat16")


def pinned(recipe: Recipe, names: Sequence[Name]) -> Recipe:
    """The recipe with the sha256 of each version that teaches one of these models.

    Raises:
        TrainerError: if such a version is absent, a gate, or not that of the sha256 which the recipe already has.
        ArtifactError: if it cannot be trusted.
    """
    models = dict(recipe.models)
    for name in names:
        settings = models[name]
        if settings.teacher and settings.teacher.versions:
            digests = [version.manifest.sha256 for version in _versions(name, settings)]
            teaching = settings.teacher.model_copy(update={"sha256": digests})
            models[name] = settings.model_copy(update={"teacher": teaching})
    return recipe.model_copy(update={"models": models})


def leaks(recipe: Recipe, names: Sequence[Name], mnist: Mnist) -> Iterator[str]:
    """A line for each version that was itself trained on some of the validation pictures."""
    held = sampling.parts(mnist.training_labels, recipe)[1].numpy()
    for name in names:
        for version in _versions(name, recipe.models[name]):
            manifest = version.manifest
            if seen := published.seen(manifest, held, mnist):
                yield (
                    f"{name:6} its teacher {manifest.name} {manifest.version} was trained on {seen} of the {len(held)} "
                    "validation pictures: validation figures flatter"
                )


def _versions(name: Name, settings: ModelRecipe) -> list[Artifact]:
    """The published versions that teach a model, verified."""
    if settings.teacher is None:
        return []
    key = f"recipe: models.{name}.teacher.versions"
    found: list[Artifact] = []
    for number, folder in enumerate(settings.teacher.versions):
        wanted = settings.teacher.sha256[number] if settings.teacher.sha256 else None
        taught = f"; the teacher's model.pt has sha256 {wanted}" if wanted else ""
        try:
            root, model, version = published.place(Path(folder))
        except TrainerError as error:
            raise TrainerError(f"{key}: {error}{taught}") from error
        if model == GATE:
            raise TrainerError(f"{key}: {folder}: a gate tells no digits apart")
        found.append(open_version(root, model, version))
        if wanted not in (None, found[-1].manifest.sha256):
            raise TrainerError(f"{key}: {folder}: is another version{taught}")
    return found
