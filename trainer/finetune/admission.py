"""Whether what came out of a fine-tuning may be published: it must be no worse than what it started from."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

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

    @property
    def refused(self) -> str | None:
        """Why it must not be published, with by how much, if it must not."""
        reasons = []
        if self.test.after < self.test.before and self.test.p < _CHANCE:
            reasons.append(f"is worse on MNIST's test set, beyond chance: {self.test}")
        if self.feedback.after < self.feedback.before:
            reasons.append(f"is worse on the feedback held out: {self.feedback}")
        return f"{self.name}: {'; '.join(reasons)}" if reasons else None

    def lines(self) -> list[str]:
        """Both changes in words."""
        return [
            f"{self.name:6} MNIST's test set, from version {self.base}: {self.test}",
            f"{self.name:6} feedback held out: {self.feedback}",
        ]

    def report(self) -> dict[str, Any]:
        """What `report/metrics.json` says of it."""
        return {"base": self.base, "test": asdict(self.test), "feedback": asdict(self.feedback)}


def judge(start: Start, measured: Sequence[Measured]) -> list[Judged]:
    """Hold each model against the version that it started from, on MNIST's test set and on the feedback held out."""
    return [_judge(start, one) for one in measured]


def _judge(start: Start, one: Measured) -> Judged:
    base, mnist, held = start.bases[one.name], start.mnist, start.held
    return Judged(
        one.name,
        base.manifest.version,
        Change.of(
            _right(evaluate.logits(base.model, mnist.test_pictures), mnist.test_labels),
            _right(one.chances["test"], mnist.test_labels),
        ),
        Change.of(
            _right(evaluate.logits(base.model, held.pictures), held.labels),
            _right(evaluate.logits(one.model, held.pictures), held.labels),
        ),
    )


def _right(answers: Floats, truth: Labels) -> NDArray[np.bool_]:
    return np.asarray(answers.argmax(1) == truth)
