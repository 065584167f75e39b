"""The vote that is served after a fine-tuning: of the versions that it publishes, and of the old where it does not."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from registry import versions
from registry.address import Location
from registry.errors import ArtifactError
from registry.objects import StoreError
from registry.open import Artifact
from registry.rules import Floats, Rule, combine, probabilities
from trainer import evaluate
from trainer.evaluate import Labels
from trainer.finetune.admission import Change
from trainer.finetune.start import Start
from trainer.measure import Measured


@dataclass(frozen=True)
class Voter:
    """A version that votes, with its calibrated probabilities [N, 10] on MNIST's test set and the feedback held out."""

    name: str  # like "cnn 2", or "cnn (new)" while it has no number yet
    weight: float
    test: Floats
    held: Floats


@dataclass(frozen=True)
class Served:
    """The vote before and after, on the same pictures."""

    models: list[str]
    rule: Rule
    test: Change
    feedback: Change

    def lines(self) -> list[str]:
        """Both changes in words."""
        return [
            f"the {self.rule} vote that will be served, of {', '.join(self.models)}:",
            f"vote   MNIST's test set: {self.test}",
            f"vote   feedback held out: {self.feedback}",
        ]

    def report(self) -> dict[str, Any]:
        """What `report/metrics.json` says of it."""
        return {"models": self.models, "rule": self.rule, "test": asdict(self.test), "feedback": asdict(self.feedback)}


def measure(start: Start, admitted: Sequence[Measured], artifacts: Location) -> Served:
    """The vote of all that is published in a place, once what is admitted is too.

    Raises:
        StoreError: if an object store does not answer.
    """
    there = [*start.bases.values(), *_others(start, artifacts)]
    before = {each.manifest.name: _old(start, each) for each in there}
    after = before | {str(one.name): _new(start, one) for one in admitted}
    rule = start.recipe.vote.rule
    old, new = [*before.values()], [*after.values()]
    truth, held = start.mnist.test_labels, start.held.labels
    return Served(
        [voter.name for voter in new],
        rule,
        Change.of(
            _right([one.test for one in old], old, rule, truth), _right([one.test for one in new], new, rule, truth)
        ),
        Change.of(
            _right([one.held for one in old], old, rule, held), _right([one.held for one in new], new, rule, held)
        ),
    )


def _others(start: Start, artifacts: Location) -> Iterator[Artifact]:
    """The newest version of each model that is not trained; what cannot be trusted is not served either."""
    found = versions.at(artifacts)
    for name in found.models():
        if name not in start.bases:
            try:
                yield found.open(name, found.numbers(name)[-1])
            except StoreError:
                raise
            except ArtifactError:
                continue


def _old(start: Start, artifact: Artifact) -> Voter:
    manifest = artifact.manifest
    chances = (
        probabilities(evaluate.logits(artifact.model, pictures), manifest.temperature)
        for pictures in (start.mnist.test_pictures, start.held.pictures)
    )
    return Voter(f"{manifest.name} {manifest.version}", manifest.weight, *chances)


def _new(start: Start, one: Measured) -> Voter:
    held = probabilities(evaluate.logits(one.model, start.held.pictures), one.temperature)
    return Voter(f"{one.name} (new)", one.weight, one.chances["test"], held)


def _right(votes: Sequence[Floats], voters: Sequence[Voter], rule: Rule, truth: Labels) -> NDArray[np.bool_]:
    weights = np.array([voter.weight for voter in voters], np.float32)
    return np.asarray(combine(np.stack(votes), weights, rule).argmax(1) == truth)
