"""Training a published version again, from its manifest alone, and holding the two against each other."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from registry import store
from registry.manifest import Manifest
from trainer import compare, origin, published, recipe
from trainer.compare import Comparison
from trainer.errors import TrainerError
from trainer.mnist import Mnist
from trainer.published import Answers
from trainer.recipe import NAMES, Name, Recipe

_CHANCE = 0.05


@dataclass(frozen=True)
class Original:
    """A published version and what it was trained by, but for the targets: what misses them is compared too."""

    manifest: Manifest
    recipe: Recipe
    model: Name
    root: Path

    @property
    def threads(self) -> int | None:
        """The CPU threads it was trained with: another number rounds differently."""
        found = re.search(r"^cpu: .*, (\d+) threads?$", self.manifest.device)
        return int(found[1]) if found else None


def original(folder: Path) -> Original:
    """The version of a folder like artifacts/cnn/3.

    Raises:
        TrainerError: if the folder is no version's, or its manifest's recipe is none of this trainer's.
        ArtifactError: if the manifest cannot be read.
    """
    root, model, version = published.place(folder)
    manifest = store.manifest(root, model, version)
    found = _without_targets(recipe.check(manifest.recipe, f"{folder / store.MANIFEST_FILE}: recipe"))
    for name in NAMES:
        if name == model and name in found.models:
            return Original(manifest, found, name, root)
    raise TrainerError(f"{folder / store.MANIFEST_FILE}: recipe: has no model {model}")


def _without_targets(given: Recipe) -> Recipe:
    models = {name: settings.model_copy(update={"target": 0.0}) for name, settings in given.models.items()}
    return given.model_copy(update={"models": models, "vote": given.vote.model_copy(update={"target": 0.0})})


def differs(first: Original) -> str | None:
    """What of torch and of this source is not what the version was trained by, in words; None if nothing is."""
    now = {"torch": torch.__version__, "commit": origin.commit()}
    then = {"torch": first.manifest.torch, "commit": first.manifest.commit}
    changed = [f"{key} {now[key]}, not {then[key]}" for key in now if now[key] != then[key]]
    return "; ".join(changed) or None


def same_data(first: Original, mnist: Mnist) -> None:
    """Refuse data other than the version was trained and measured on.

    Raises:
        TrainerError: naming the file that differs.
    """
    for file in first.manifest.data:
        if mnist.sha256.get(file.name) != file.sha256:
            raise TrainerError(
                f"{file.name}: not what {first.model} {first.manifest.version} was trained on; give --data"
            )


@dataclass(frozen=True)
class Verdict:
    """How a version trained again compares with the one that was published."""

    comparison: Comparison
    same: bool  # every probability is the same, bit for bit

    @property
    def agrees(self) -> bool:
        """Whether chance alone would explain the difference."""
        return self.comparison.p >= _CHANCE

    def __str__(self) -> str:
        if self.same:
            return "the figures agree: the same answers, bit for bit"
        differ = f"{self.comparison.only_first} and {self.comparison.only_second} digits only one reads right"
        word = "agree within chance" if self.agrees else "do not agree"
        return f"the figures {word}: {differ}, p = {self.comparison.p:.3g}"


def verdict(first: Answers, again: Answers, mnist: Mnist) -> Verdict:
    """Hold the answers of two versions against each other, picture by picture."""
    return Verdict(compare.compare(first, again, mnist), np.array_equal(first.chances, again.chances))
