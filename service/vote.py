"""Counting the vote: a pure function from the models' logits to one answer a picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

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


@dataclass(frozen=True)
class Cast:
    """One model's vote on one picture; `probabilities` [10]."""

    model: str
    version: int
    label: int
    probabilities: Floats


@dataclass(frozen=True)
class Absent:
    """One model that did not vote on a batch."""

    model: str
    version: int | None
    reason: str


@dataclass(frozen=True)
class Outcome:
    """The counted vote on one picture, and why it is not accepted, if it is not."""

    label: int
    confidence: float
    agreement: float
    cast: tuple[Cast, ...]
    absent: tuple[Absent, ...]
    reason: Reason | None = None


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
    votes = np.stack([probabilities(logits, manifest.temperature) for manifest, logits in voted])
    weights = np.asarray([manifest.weight for manifest, _ in voted], dtype=np.float32)
    combined = combine(votes, weights, rule)
    labels, winners = votes.argmax(axis=-1), combined.argmax(axis=-1)
    agreement = (labels == winners).mean(axis=0)
    return [
        Outcome(
            label=int(winner),
            confidence=float(combined[row, winner]),
            agreement=float(agreement[row]),
            cast=tuple(
                Cast(manifest.name, manifest.version, int(labels[model, row]), votes[model, row])
                for model, (manifest, _) in enumerate(voted)
            ),
            absent=absent,
        )
        for row, winner in enumerate(winners)
    ]
