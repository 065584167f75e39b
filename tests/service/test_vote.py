import numpy as np
import pytest

from registry.rules import Floats
from service.vote import Absent, Ballot, QuorumError, count
from tests.drafts import draft


def logits(*labels: int, sure: float = 5.0) -> Floats:
    return np.eye(10, dtype=np.float32)[list(labels)] * np.float32(sure)


def ballot(name: str, values: Floats | None, **changes: float) -> Ballot:
    return Ballot(name, draft(name, **changes), values, None if values is not None else "failed on this batch: Error")


def test_each_picture_gets_its_own_outcome_in_order() -> None:
    """Labels, agreement and votes of a batch stand in the batch's order."""
    outcomes = count([ballot("a", logits(1, 2)), ballot("b", logits(1, 3)), ballot("c", logits(1, 3))], "majority", 2)
    assert [outcome.label for outcome in outcomes] == [1, 3]
    assert [outcome.agreement for outcome in outcomes] == [1.0, pytest.approx(2 / 3)]
    assert [vote.label for vote in outcomes[1].cast] == [2, 3, 3]
    assert [vote.model for vote in outcomes[1].cast] == ["a", "b", "c"]


def test_confidence_is_the_combined_probability_of_the_label() -> None:
    """Under the mean rule the confidence is the mean of the models' probabilities for the winner."""
    outcome = count([ballot("a", logits(4)), ballot("b", logits(4, sure=1.0))], "mean", 2)[0]
    each = [vote.probabilities[4] for vote in outcome.cast]
    assert outcome.confidence == pytest.approx(float(np.mean(each)), rel=1e-6)


def test_temperature_and_weight_come_from_the_manifest() -> None:
    """A heavier model wins the weighted vote against an equally sure one; a hot temperature makes it unsure."""
    heavy, light = ballot("a", logits(1), weight=3.0), ballot("b", logits(2), weight=1.0)
    assert count([heavy, light], "weighted", 2)[0].label == 1
    cooled = ballot("a", logits(1), weight=3.0, temperature=50.0)
    assert count([cooled, light], "weighted", 2)[0].label == 2


def test_a_missing_vote_is_named_and_the_others_count() -> None:
    """Two of three are a quorum, and the third stands in the outcome with its reason."""
    outcome = count([ballot("a", logits(1)), ballot("b", logits(1)), ballot("c", None)], "weighted", 2)[0]
    assert outcome.label == 1
    assert outcome.agreement == 1.0
    assert outcome.absent == (Absent("c", 1, "failed on this batch: Error"),)


def test_below_the_quorum_there_is_no_answer() -> None:
    """One vote of three raises, naming those that are missing."""
    with pytest.raises(QuorumError, match=r"1 of 3 models voted, 2 must\. Missing are b: .*; c: not loaded"):
        count([ballot("a", logits(1)), ballot("b", None), Ballot("c", None, None, "not loaded")], "weighted", 2)
