"""Whether an answer is accepted: what the gate and the vote say of a picture, against what DIGITVOTE_REJECT asks."""

from dataclasses import replace
from typing import Literal

from registry.manifest import Manifest, Strictness
from registry.rules import Floats
from service.vote import Outcome, Reason

Reject = Literal["off", "balanced", "strict"]

# The least confidence that is accepted, beside the gate: docs/pictures.md has what others would refuse.
CONFIDENCE: dict[Strictness, float] = {"balanced": 0.55, "strict": 0.9}


def accept(outcomes: list[Outcome], scores: Floats | None, gate: Manifest | None, reject: Reject) -> list[Outcome]:
    """The outcomes of a batch, each with why it is not accepted, if it is not.

    Args:
        outcomes: the counted votes on N pictures.
        scores: the gate's log-odds [N] that each is one digit; without a gate the vote's confidence decides alone.
        gate: the manifest that says what the scores must reach.
        reject: how strict to be; `off` accepts all.
    """
    if reject == "off":
        return outcomes
    least = gate.thresholds[reject] if gate else 0.0
    odds = [None] * len(outcomes) if scores is None else scores.tolist()
    return [
        replace(outcome, reason=_reason(outcome, score is None or score >= least, CONFIDENCE[reject]), gate=score)
        for outcome, score in zip(outcomes, odds, strict=True)
    ]


def final_reason(outcome: Outcome, reject: Reject, *, alone: bool) -> Reason | None:
    """Why an answer is not accepted, if it is not; `alone` is whether its picture holds no other digit."""
    return outcome.reason if alone or reject == "off" else "more than one digit"


def _reason(outcome: Outcome, looks_like_one: bool, confidence: float) -> Reason | None:
    if not looks_like_one:
        return "does not look like one digit"
    if outcome.confidence >= confidence:
        return None
    return "the models disagree" if outcome.agreement < 1 else "unsure"
