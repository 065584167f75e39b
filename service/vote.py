"""Counting the vote: a pure function from the models' logits to one answer a picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from registry.manifest import Manifest
from registry.rules import Floats, Rule, combine, probabilities

Reason = Literal["more than one digit", "does not look like one digit", "the models disagree", "unsure"]


@dataclass(frozen=True)
class Ballot:
    """One model's logits [N, 10] for a batch, or why it has none."""

    model: str
    manifest: Manifest | None
    logits: Floats | None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Cast:
    """One model's vote on one picture; its ten probabilities are rounded to what is shown of them."""

    model: str
    version: int
    label: int
    confidence: float
    probabilities: list[float]


@dataclass(frozen=True, slots=True)
class Absent:
    """One model that did not vote on a batch."""

    model: str
    version: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """The counted vote on one picture, and why it is not accepted, if it is not.

    `logits` [V, 10] are those of the V models in `cast`, `combined` [10] the probabilities that their votes give
    together; `gate` is the gate's log-odds that it is one digit, if asked.
    """

    label: int
    confidence: float
    agreement: float
    cast: tuple[Cast, ...]
    absent: tuple[Absent, ...]
    logits: Floats | None = None
    combined: Floats | None = None
    reason: Reason | None = None
    gate: float | None = None


class QuorumError(Exception):
    """Too few models voted; the message says which are missing and why."""


def count(ballots: Sequence[Ballot], rule: Rule, quorum: int) -> list[Outcome]:
    """Count a batch: one outcome a picture, in the batch's order.

    Raises:
        QuorumError: if fewer than `quorum` models voted.
    """
    absent = tuple(
        Absent(ballot.model, ballot.manifest.version if ballot.manifest else None, ballot.reason or "did not vote")
        for ballot in ballots
        if ballot.logits is None
    )
    voted = [(ballot.manifest, ballot.logits) for ballot in ballots if ballot.manifest and ballot.logits is not None]
    if len(voted) < quorum:
        missing = "; ".join(f"{vote.model}: {vote.reason}" for vote in absent)
        raise QuorumError(f"{len(voted)} of {len(ballots)} models voted, {quorum} must. Missing are {missing}.")
    raw = np.stack([logits for _, logits in voted], axis=1)
    votes = np.stack([probabilities(logits, manifest.temperature) for manifest, logits in voted])
    weights = np.asarray([manifest.weight for manifest, _ in voted], dtype=np.float32)
    combined = combine(votes, weights, rule)
    labels, winners = votes.argmax(axis=-1), combined.argmax(axis=-1)
    confidences = combined[np.arange(len(combined)), winners]
    agreements = (labels == winners).mean(axis=0)
    # From here on plain numbers, made a batch at a time: one by one they cost more than the models do.
    cast = zip(
        *(_cast(manifest, votes[model], labels[model]) for model, (manifest, _) in enumerate(voted)), strict=True
    )
    rows = zip(winners.tolist(), _shown(confidences), _shown(agreements), cast, raw, combined, strict=True)
    return [
        Outcome(label, confidence, agreement, ballots_cast, absent, logits, together)
        for label, confidence, agreement, ballots_cast, logits, together in rows
    ]


def _cast(manifest: Manifest, votes: Floats, labels: NDArray[np.intp]) -> list[Cast]:
    """One model's votes on a batch, of its probabilities [N, 10] and labels [N]."""
    name, version = manifest.name, manifest.version
    return [
        Cast(name, version, label, row[label], row) for label, row in zip(labels.tolist(), _shown(votes), strict=True)
    ]


def _shown(values: NDArray[Any]) -> list[Any]:
    """Shares as they are shown: to a millionth."""
    rounded: list[Any] = np.round(values.astype(np.float64), 6).tolist()
    return rounded
