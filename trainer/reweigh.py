"""Published versions published again with weights measured by the present rule, and a report of their vote by these."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from registry import store, versions
from registry.address import Location
from registry.manifest import GATE, Manifest
from registry.open import Artifact
from registry.rules import Floats, probabilities
from trainer import draft, evaluate, measure, report, reproduce, robustness, sampling, weight
from trainer.errors import TrainerError
from trainer.evaluate import Labels
from trainer.measure import Split, Vote
from trainer.mnist import Mnist
from trainer.recipe import Recipe
from trainer.robustness import Robustness, Voter


@dataclass(frozen=True)
class _Weighed:
    """A version that is to be published again."""

    folder: Path
    artifact: Artifact
    recipe: Recipe
    weight: float
    chances: dict[Split, Floats]  # calibrated probabilities [N, 10]


def again(
    folders: Sequence[Path],
    mnist: Mnist,
    artifacts: Location,
    *,
    device: torch.device,
    on_published: Callable[[Manifest], None] = lambda _: None,
) -> None:
    """Weigh versions of one run and publish each as a next version; only weights and the report of the vote change.

    Raises:
        TrainerError: if a folder is no voter's version, or they differ in seed, validation part, or data.
        ArtifactError: if a version cannot be trusted.
        OSError: if a version cannot be written.
    """
    parts, pictures, truth = _parts(folders, mnist)
    harder = weight.distorted(pictures["validation"], truth["validation"])
    weighed = [_weigh(folder, artifact, recipe, pictures, harder) for folder, artifact, recipe in parts]
    vote = measure.vote(
        {one.artifact.manifest.name: one.chances for one in weighed}, [one.weight for one in weighed], truth
    )
    rule = weighed[0].recipe.vote.rule
    voters = [
        Voter(one.artifact.manifest.name, one.artifact.model, one.artifact.manifest.temperature, one.weight)
        for one in weighed
    ]
    robust = robustness.measure(voters, rule, pictures["test"], truth["test"], device)
    drafts = [
        (one.artifact.manifest.model_copy(update={"weight": one.weight}), _files(one, vote, robust, mnist))
        for one in weighed
    ]
    for manifest, files in drafts:
        on_published(versions.at(artifacts).publish(manifest, files))


def _parts(
    folders: Sequence[Path], mnist: Mnist
) -> tuple[list[tuple[Path, Artifact, Recipe]], dict[Split, Labels], dict[Split, Labels]]:
    """The versions, and the pictures and labels of both splits, which must be the same for all."""
    parts: list[tuple[Path, Artifact, Recipe]] = []
    for folder in folders:
        first = reproduce.original(folder)
        if first.manifest.name == GATE:
            raise TrainerError(f"{folder}: a gate does not vote")
        reproduce.same_data(first, mnist)
        artifact = versions.at(first.root).open(first.manifest.name, first.manifest.version)
        parts.append((folder, artifact, first.recipe))
    if len({(recipe.seed, recipe.validation) for *_, recipe in parts}) > 1:
        raise TrainerError("versions of several seeds or validation parts: give those of one run")
    held = sampling.parts(mnist.training_labels, parts[0][2])[1].numpy()
    return (
        parts,
        {"validation": mnist.training_pictures[held], "test": mnist.test_pictures},
        {"validation": mnist.training_labels[held], "test": mnist.test_labels},
    )


def _weigh(
    folder: Path, artifact: Artifact, recipe: Recipe, pictures: dict[Split, Labels], harder: tuple[Labels, Labels]
) -> _Weighed:
    temperature = artifact.manifest.temperature
    chances = {
        split: probabilities(evaluate.logits(artifact.model, shown), temperature) for split, shown in pictures.items()
    }
    return _Weighed(folder, artifact, recipe, weight.measure(artifact.model, *harder), chances)


def _files(one: _Weighed, vote: Vote, robust: Robustness, mnist: Mnist) -> dict[str, bytes]:
    """Every file of the version but its manifest; of its report what tells of the vote is made again."""
    manifest = one.artifact.manifest
    files = {name: (one.folder / name).read_bytes() for name in (store.MODEL_FILE, *manifest.files)}
    figures = json.loads(files["report/metrics.json"])
    of_vote = draft.figures_of_vote(one.recipe, vote, robust, mnist)
    for part in ("coverage", "corruptions"):
        figures.setdefault(part, {})["vote"] = of_vote.pop(part)
    figures |= {"weight": one.weight, **of_vote}
    pictures = draft.pictures_of_vote(one.recipe, manifest.name, one.chances["test"], vote, robust, mnist)
    return {**files, **pictures, "report/metrics.json": report.dump(figures)}
