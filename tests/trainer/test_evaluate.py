"""The figures, held against values worked out by hand."""

import math

import numpy as np
import pytest

from registry.rules import Floats, probabilities
from trainer import evaluate

TRUTH = np.array([0, 0, 0, 1, 1, 2], np.uint8)
PREDICTED = np.array([0, 0, 1, 1, 2, 2])


def test_confusion_and_classes() -> None:
    """Rows are true, columns predicted; precision, recall and F1 are those of the textbook, 0 for an absent label."""
    counts = evaluate.confusion(PREDICTED, TRUTH)
    assert counts[:3, :3].tolist() == [[2, 1, 0], [0, 1, 1], [0, 0, 1]]
    assert counts.sum() == 6
    zero, one, two, three = evaluate.by_class(counts)[:4]
    assert [zero.precision, zero.recall, zero.f1, zero.support] == pytest.approx([1, 2 / 3, 0.8, 3])
    assert [one.precision, one.recall, one.f1] == pytest.approx([0.5, 0.5, 0.5])
    assert [two.precision, two.recall, two.f1] == pytest.approx([0.5, 1, 2 / 3])
    assert (three.precision, three.recall, three.f1, three.support) == (0, 0, 0, 0)


def _chances(confidence: list[float], labels: list[int]) -> Floats:
    rows = np.repeat((1 - np.array(confidence, np.float32))[:, None] / np.float32(9), 10, axis=1)
    rows[np.arange(len(labels)), labels] = confidence
    return rows


def test_metrics() -> None:
    """Accuracy, cross-entropy and calibration error of four predictions, one of them wrong."""
    chances = _chances([0.9, 0.9, 0.9, 0.6], [0, 0, 0, 1])
    found = evaluate.metrics(chances, np.array([0, 0, 1, 1], np.uint8))
    assert found.examples == 4
    assert found.accuracy == 0.75
    expected = -(2 * math.log(0.9) + math.log(0.1 / 9) + math.log(0.6)) / 4
    assert found.loss == pytest.approx(expected, rel=1e-5)
    # Two bins: three at 0.9 of which two are right, one at 0.6 that is right.
    assert found.calibration_error == pytest.approx(3 / 4 * abs(2 / 3 - 0.9) + 1 / 4 * abs(1 - 0.6), rel=1e-5)


def test_certain_and_wrong() -> None:
    """A wrong answer given with certainty has a large loss, not an infinite one; confidence 1 is in the last bin."""
    found = evaluate.metrics(_chances([1.0], [3]), np.array([4], np.uint8))
    assert 50 < found.loss < 200
    assert found.calibration_error == 1


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_temperature(temperature: float) -> None:
    """Where labels are drawn from the softmax at a temperature, that temperature is found."""
    random = np.random.default_rng(1)
    logits = random.normal(0, 3, (20_000, 10)).astype(np.float32)
    draws = random.random((len(logits), 1))
    truth = (probabilities(logits, temperature).cumsum(1) < draws).sum(1).clip(0, 9).astype(np.uint8)
    assert evaluate.fit_temperature(logits, truth) == pytest.approx(temperature, rel=0.05)


def test_temperature_without_errors() -> None:
    """Where no answer is wrong the likelihood rises without end as it gets colder: it stops at a moderate 0.3."""
    logits = 3 * np.eye(10, dtype=np.float32)
    assert evaluate.fit_temperature(logits, np.arange(10, dtype=np.uint8)) == pytest.approx(0.3, rel=1e-3)


def test_temperature_is_the_best() -> None:
    """No other temperature has a lower cross-entropy, and labels do not change."""
    random = np.random.default_rng(2)
    truth = random.integers(0, 10, 500).astype(np.uint8)
    logits = (random.normal(0, 1, (500, 10)) + 3 * np.eye(10)[truth]).astype(np.float32)
    best = evaluate.fit_temperature(logits, truth)
    loss = evaluate.cross_entropy(probabilities(logits, best), truth)
    assert all(loss <= evaluate.cross_entropy(probabilities(logits, best * by), truth) for by in (0.5, 0.98, 1.02, 2))
    assert np.array_equal(probabilities(logits, best).argmax(1), logits.argmax(1))


def test_vote_weight() -> None:
    """A weight is one over the smoothed error rate: finite without errors, half at twice the errors."""
    assert evaluate.vote_weight(0, 98) == 100
    assert evaluate.vote_weight(1, 98) == 50
    assert evaluate.vote_weight(49, 4998) == 100


def test_vote() -> None:
    """Two weak models outvote a strong one by majority, not by weight; unanimous errors are counted."""
    chances = np.stack([_chances([0.9, 0.9], [1, 5]), _chances([0.6, 0.9], [2, 5]), _chances([0.6, 0.9], [2, 5])])
    found = evaluate.vote(chances, np.array([10, 1, 1], np.float32), np.array([1, 4], np.uint8))
    assert {rule: metrics.accuracy for rule, metrics in found.items()} == {
        "weighted": 0.5,
        "mean": 0.0,
        "majority": 0.0,
    }
    assert evaluate.unanimous_errors(chances, np.array([1, 4], np.uint8)) == 1
