"""The losses, held against values worked out by hand."""

import math

import pytest
import torch

from trainer.loss import loss

LOGITS = torch.zeros(2, 10)
LABELS = torch.tensor([3, 7])


def test_cross_entropy() -> None:
    """Of a half for the label and an eighteenth for each other it is ln 2; smoothed, 0.91 ln 2 + 9 * 0.01 ln 18."""
    assert float(loss("cross_entropy", LOGITS, LABELS)) == pytest.approx(math.log(10))
    uneven = torch.nn.functional.one_hot(LABELS, 10) * math.log(9)  # odds of nine to one against each other label
    assert float(loss("cross_entropy", uneven, LABELS)) == pytest.approx(math.log(2))
    smoothed = 0.91 * math.log(2) + 9 * 0.01 * math.log(18)
    assert float(loss("cross_entropy", uneven, LABELS, 0.1)) == pytest.approx(smoothed)


def test_one_hot_squared_error() -> None:
    """Of an even guess it is 0.9² + 9·0.1²; of a sure and right one 0, of a sure and wrong one 2."""
    assert float(loss("one_hot_squared_error", LOGITS, LABELS)) == pytest.approx(0.9)
    sure = torch.nn.functional.one_hot(LABELS, 10) * 100.0
    assert float(loss("one_hot_squared_error", sure, LABELS)) == pytest.approx(0, abs=1e-6)
    assert float(loss("one_hot_squared_error", sure, LABELS.flip(0))) == pytest.approx(2)


def test_smoothed_targets() -> None:
    """Smoothed by a half, a sure and right answer is 0.45 off its target and 0.05 on each of the nine others."""
    sure = torch.nn.functional.one_hot(LABELS, 10) * 100.0
    assert float(loss("one_hot_squared_error", sure, LABELS, 0.5)) == pytest.approx(0.45**2 + 9 * 0.05**2)
