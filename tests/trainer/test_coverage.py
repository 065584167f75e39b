"""Errors among the answers that are not withheld."""

import numpy as np
import pytest

from registry.rules import Floats
from trainer.coverage import coverage, curves


def _chances(confidence: list[float], labels: list[int]) -> Floats:
    rows = np.repeat((1 - np.array(confidence, np.float32))[:, None] / np.float32(9), 10, axis=1)
    rows[np.arange(len(labels)), labels] = confidence
    return rows


def test_coverage() -> None:
    """Of a thousand answers with the five least sure wrong, each withheld one is an error less."""
    truth = np.zeros(1000, np.uint8)
    confidence = np.linspace(0.99, 0.5, 1000).tolist()
    rows = coverage(_chances(confidence, [0] * 995 + [1] * 5), truth)
    assert [(row.coverage, row.errors) for row in rows[:4]] == [(1.0, 5), (0.999, 4), (0.995, 0), (0.99, 0)]
    assert rows[0].error == 0.005
    assert rows[0].confidence == pytest.approx(0.5)
    assert [row.confidence for row in rows] == sorted(row.confidence for row in rows)


def test_curves() -> None:
    """They are drawn also where nothing is wrong, and where all is."""
    truth = np.zeros(50, np.uint8)
    right, wrong = (_chances([0.9] * 50, [label] * 50) for label in (0, 1))
    assert curves("both", {"right": right, "wrong": wrong}, truth).startswith(b"\x89PNG")
