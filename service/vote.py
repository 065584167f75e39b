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
    manifests = [manifest for manifest, _ in voted]
    raw = np.stack([logits for _, logits in voted], axis=1)
    temperatures = np.asarray([[manifest.temperature] for manifest in manifests], dtype=np.float32)
    votes = probabilities(raw, temperatures)
    weights = np.asarray([manifest.weight for manifest in manifests], dtype=np.float32)
    combined = combine(votes.swapaxes(0, 1), weights, rule)
    labels, winners = votes.argmax(axis=-1), combined.argmax(axis=-1)
    agreements = (labels == winners[:, np.newaxis]).sum(axis=1) / len(voted)
    # From here on plain numbers, made a batch at a time: one by one they cost more than the models do.
    names = [(manifest.name, manifest.version) for manifest in manifests]
    rows = zip(
        winners.tolist(),
        _shown(combined.max(axis=-1)),
        _shown(agreements),
        labels.tolist(),
        _shown(votes),
        raw,
        combined,
        strict=True,
    )
    return [
        Outcome(label, confidence, agreement, _cast(names, labelled, shown), absent, logits, together)
        for label, confidence, agreement, labelled, shown, logits, together in rows
    ]


def _cast(names: Sequence[tuple[str, int]], labels: Sequence[int], votes: Sequence[list[float]]) -> tuple[Cast, ...]:
    """The votes on one picture, by the models' names, labels and probabilities."""
    return tuple([Cast(*name, label, row[label], row) for name, label, row in zip(names, labels, votes, strict=True)])


def _shown(values: NDArray[Any]) -> list[Any]:
    """Shares as they are shown: to a millionth."""
    rounded: list[Any] = np.round(values.astype(np.float64), 6).tolist()
    return rounded
