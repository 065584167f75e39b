"""Training a published version again, from its manifest alone, and holding the two against each other."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from registry import store, versions
from registry.address import Location
from registry.manifest import GATE, DataFile, Manifest
from trainer import compare, job, origin, published, recipe, sources
from trainer.compare import Comparison
from trainer.errors import TrainerError
from trainer.evaluate import Labels
from trainer.finetune.start import SOURCE, begin
from trainer.gate import job as gate
from trainer.mnist import SHA256, Mnist
from trainer.origin import Origin
from trainer.progress import Progress
from trainer.published import Answers
from trainer.recipe import NAMES, Name, Recipe

_CHANCE = 0.05


@dataclass(frozen=True)
class Original:
    """A published version and what it was trained by, but for the targets: what misses them is compared too."""

    manifest: Manifest
    recipe: Recipe
    network: Name  # what the recipe calls it
    root: Location  # where it lies, and what it was fine-tuned from

    @property
    def files(self) -> list[DataFile]:
        """What it was trained and measured on, but the feedback of a fine-tuning, which its recipe vouches for."""
        return [file for file in self.manifest.data if not (self.recipe.finetune and file.name == SOURCE)]

    @property
    def threads(self) -> int | None:
        """The CPU threads it was trained with: another number rounds differently."""
        found = re.search(r"^cpu: .*, (\d+) threads?$", self.manifest.device)
        return int(found[1]) if found else None


def original(version: str | Path) -> Original:
    """The version of a folder like artifacts/cnn/3, or of its address.

    Raises:
        TrainerError: if it is no version's, or its manifest's recipe is none of this trainer's.
        ArtifactError: if the manifest cannot be read.
    """
    root, model, number = published.find(version)
    manifest = versions.at(root).manifest(model, number)
    where = f"{version}/{store.MANIFEST_FILE}: recipe"
    found = _without_targets(recipe.check(manifest.recipe, where))
    for name in NAMES:
        if name == (gate.NETWORK if model == GATE else model) and name in found.models:
            return Original(manifest, found, name, root)
    raise TrainerError(f"{where}: has no model {model}")


def _without_targets(given: Recipe) -> Recipe:
    models = {name: settings.model_copy(update={"target": 0.0}) for name, settings in given.models.items()}
    return given.model_copy(update={"models": models, "vote": given.vote.model_copy(update={"target": 0.0})})


def differs(first: Original, device: torch.device) -> str:
    """What of source, torch and device is not what the version was trained by, in words; empty if nothing is."""
    return Origin(first.manifest.commit, first.manifest.torch, first.manifest.device).changed(origin.here(device))


def same_data(first: Original, mnist: Mnist) -> None:
    """Refuse data other than the version was trained and measured on, or in another order.

    Raises:
        TrainerError: naming the file that differs, and what to give.
    """
    files, found = first.files, list(mnist.sha256.items())
    for number, file in enumerate(files):
        if number >= len(found) or found[number][1] != file.sha256:
            raise TrainerError(f"{file.name}: not what {_trained_on(first)}")
    if len(found) > len(files):
        raise TrainerError(f"{found[len(files)][0]}: more than what {_trained_on(first)}")


def check_given(first: Original, words: Sequence[str]) -> None:
    """Refuse to fetch MNIST for a version that was trained on other data.

    Raises:
        TrainerError: saying what to give, if no data are given and the version's are not MNIST.
    """
    if not words and {file.sha256 for file in first.files} != set(SHA256.values()):
        raise TrainerError(f"MNIST: not what {_trained_on(first)}")


def _trained_on(first: Original) -> str:
    wanted = sources.wanted({file.name: file.sha256 for file in first.files})
    return f"{first.manifest.name} {first.manifest.version} was trained on; give --data for each of: {wanted}"


def train(
    first: Original,
    mnist: Mnist,
    artifacts: Location,
    runs: Path,
    progress: Progress,
    *,
    device: torch.device,
    feedback: Path | None = None,
    resume: bool,
) -> Manifest:
    """Train and publish it again, as a voter or as a gate is; one that was fine-tuned from its base and `feedback`.

    Raises:
        TrainerError: as `trainer.job.run` and `trainer.gate.job.run` do.
        OSError: if a checkpoint or the version cannot be written.
    """
    if first.manifest.name == GATE:
        return gate.run(first.recipe, mnist, artifacts, runs, progress, device=device, resume=resume)[0]
    names = [first.network]
    start = begin(first.recipe, names, first.root, feedback, mnist)
    if start:
        start = replace(start, strict=False)
        return job.run(
            start.recipe, names, start.mnist, artifacts, runs, progress, device=device, start=start, resume=resume
        ).manifests[0]
    return job.run(first.recipe, names, mnist, artifacts, runs, progress, device=device, resume=resume).manifests[0]


def test(first: Original, mnist: Mnist) -> tuple[Labels, Labels]:
    """What both are asked about: pictures [N, 28, 28] and labels [N] of the test set, a gate's of its sides."""
    if first.manifest.name == GATE:
        held = gate.held_test(first.recipe, mnist)
        return held.pictures, held.sides
    return mnist.test_pictures, mnist.test_labels


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
        differ = f"{self.comparison.only_first} and {self.comparison.only_second} pictures only one reads right"
        word = "agree within chance" if self.agrees else "do not agree"
        return f"the figures {word}: {differ}, p = {self.comparison.p:.3g}"


def verdict(first: Answers, again: Answers, truth: Labels) -> Verdict:
    """Hold the answers of two versions to pictures with labels [N] against each other, picture by picture."""
    return Verdict(compare.compare(first, again, truth), np.array_equal(first.chances, again.chances))
