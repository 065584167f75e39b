"""What is published, and what it is worth when measured again."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from registry import store
from registry.manifest import GATE, Manifest, Metrics
from registry.open import open_version
from registry.rules import Floats, probabilities
from trainer import evaluate as figures
from trainer.errors import TrainerError
from trainer.mnist import Mnist


def manifests(artifacts: Path) -> list[Manifest]:
    """The manifests of all versions, by model, oldest first.

    Raises:
        ArtifactError: if one cannot be read.
    """
    return [
        store.manifest(artifacts, model, version)
        for model in (*store.models(artifacts), GATE)
        for version in store.versions(artifacts, model)
    ]


def choose(artifacts: Path, wanted: list[str]) -> dict[str, int]:
    """Versions by model, from words like "cnn=3" or "cnn"; the newest of every model if there are none.

    Raises:
        TrainerError: if a word is no such thing, or nothing is published.
    """
    chosen = dict(version(artifacts, word) for word in wanted or store.models(artifacts))
    if not chosen:
        raise TrainerError(f"{artifacts} holds no version yet: python -m trainer train")
    return chosen


def version(artifacts: Path, word: str) -> tuple[str, int]:
    """A model and its version, from a word like "cnn=3", or "cnn" for its newest.

    Raises:
        TrainerError: if it is no such word, or no such model is published.
    """
    known = store.models(artifacts)
    model, equals, number = word.partition("=")
    newest = store.latest(artifacts, model) if model in known else None
    if newest is None:
        raise TrainerError(f"{word}: {artifacts} holds {', '.join(known) or 'no model'}")
    if equals and not store.is_version(number):
        raise TrainerError(f"{word}: give MODEL=VERSION, like {model}={newest}")
    return model, int(number) if equals else newest


@dataclass(frozen=True)
class Answers:
    """What one version says of the test set, from its `model.pt`."""

    manifest: Manifest
    model: bytes
    chances: Floats  # calibrated probabilities [N, 10]
    metrics: Metrics

    @property
    def name(self) -> str:
        """Like "cnn 3"."""
        return f"{self.manifest.name} {self.manifest.version}"


def answers(artifacts: Path, model: str, number: int, mnist: Mnist) -> Answers:
    """Ask one version about the test set.

    Raises:
        ArtifactError: if it cannot be trusted.
    """
    artifact = open_version(artifacts, model, number)
    logits = figures.logits(artifact.model, mnist.test_pictures)
    chances = probabilities(logits, artifact.manifest.temperature)
    return Answers(artifact.manifest, artifact.model, chances, figures.metrics(chances, mnist.test_labels))


def evaluate(asked: list[Answers], mnist: Mnist) -> list[tuple[str, Metrics]]:
    """Test figures of each version, then of their vote by each rule."""
    rows = [(one.name, one.metrics) for one in asked]
    if len(asked) > 1:
        weights = np.array([one.manifest.weight for one in asked], np.float32)
        votes = figures.vote(np.stack([one.chances for one in asked]), weights, mnist.test_labels)
        rows += [(f"vote: {rule}", metrics) for rule, metrics in votes.items()]
    return rows
