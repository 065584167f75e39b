"""Whether what came out of a fine-tuning may be published: it must be no worse than what it started from.

Nor worse than that was before all fine-tuning: many small steps, each within chance, would add up.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from registry.open import Artifact
from registry.rules import Floats
from trainer import evaluate
from trainer.compare import mcnemar
from trainer.evaluate import Labels
from trainer.finetune.start import Start
from trainer.measure import Measured

_CHANCE = 0.05


@dataclass(frozen=True)
class Change:
    """What a version and its successor are right on, of the same pictures."""

    examples: int
    before: int
    after: int
    only_before: int
    only_after: int
    p: float  # McNemar's exact test, two-sided

    @classmethod
    def of(cls, before: NDArray[np.bool_], after: NDArray[np.bool_]) -> "Change":
        """Of pictures [N], on which each was right."""
        lost, gained = int((before & ~after).sum()), int((after & ~before).sum())
        return cls(len(before), int(before.sum()), int(after.sum()), lost, gained, mcnemar(lost, gained))

    def __str__(self) -> str:
        before, after = (f"{right / self.examples:.2%}" for right in (self.before, self.after))
        return (
            f"{before} before, {after} after (of {self.examples:,}: {self.only_before} lost, {self.only_after} gained, "
            f"p = {self.p:.3g})"
        )


@dataclass(frozen=True)
class Judged:
    """A model that was trained on, beside the version that it started from."""

    name: str
    base: int
    test: Change  # on MNIST's test set
    feedback: Change  # on the feedback that is held out
    origin: tuple[int, Change] | None = None  # version before all fine-tuning, where that is another, and on MNIST

    @property
    def refused(self) -> str | None:
        """Why it must not be published, with by how much, if it must not."""
        reasons = []
        if _worse(self.test):
            reasons.append(f"is worse on MNIST's test set, beyond chance: {self.test}")
        if self.origin and _worse(self.origin[1]):
            version, change = self.origin
            than = f"than version {version}, which no fine-tuning made, beyond chance"
            reasons.append(f"is worse on MNIST's test set {than}: {change}")
        if self.feedback.after < self.feedback.before:
            reasons.append(f"is worse on the feedback held out: {self.feedback}")
        return f"{self.name}: {'; '.join(reasons)}" if reasons else None

    def lines(self) -> list[str]:
        """Each change in words."""
        return [
            f"{self.name:6} MNIST's test set, from version {version}: {change}"
            for version, change in [(self.base, self.test), *([self.origin] if self.origin else [])]
        ] + [f"{self.name:6} feedback held out: {self.feedback}"]

    def report(self) -> dict[str, Any]:
        """What `report/metrics.json` says of it."""
        found = {"base": self.base, "test": asdict(self.test), "feedback": asdict(self.feedback)}
        if self.origin:
            found["origin"] = {"version": self.origin[0], "test": asdict(self.origin[1])}
        return found


def judge(start: Start, measured: Sequence[Measured]) -> list[Judged]:
    """Hold each model against the version that it started from, on MNIST's test set and on the feedback held out."""
    return [_judge(start, one) for one in measured]


def _judge(start: Start, one: Measured) -> Judged:
    base, origin = start.bases[one.name], start.origins[one.name]
    mnist, held = start.mnist, start.held
    after = _right(one.chances["test"], mnist.test_labels)

    def change(artifact: Artifact) -> Change:
        return Change.of(_right(evaluate.logits(artifact.model, mnist.test_pictures), mnist.test_labels), after)

    return Judged(
        one.name,
        base.manifest.version,
        change(base),
        Change.of(
            _right(evaluate.logits(base.model, held.pictures), held.labels),
            _right(evaluate.logits(one.model, held.pictures), held.labels),
        ),
        None if origin.manifest.version == base.manifest.version else (origin.manifest.version, change(origin)),
    )


def _worse(change: Change) -> bool:
    return change.after < change.before and change.p < _CHANCE


def _right(answers: Floats, truth: Labels) -> NDArray[np.bool_]:
    return np.asarray(answers.argmax(1) == truth)
