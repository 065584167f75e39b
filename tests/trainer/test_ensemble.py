"""What models are worth together."""

import json
import re

import numpy as np
import pytest

from registry.rules import Floats
from tests.trainer.conftest import OTHER, TinyRun, cli
from trainer import ensemble


def _chances(confidence: list[float], labels: list[int]) -> Floats:
    rows = np.repeat((1 - np.array(confidence, np.float32))[:, None] / np.float32(9), 10, axis=1)
    rows[np.arange(len(labels)), labels] = confidence
    return rows


def test_coverage() -> None:
    """Of a thousand answers with the five least sure wrong, each withheld one is an error less."""
    truth = np.zeros(1000, np.uint8)
    confidence = np.linspace(0.99, 0.5, 1000).tolist()
    rows = ensemble.coverage("one", _chances(confidence, [0] * 995 + [1] * 5), truth)
    assert [(row.coverage, row.errors) for row in rows[:4]] == [(1.0, 5), (0.999, 4), (0.995, 0), (0.99, 0)]
    assert rows[0].error == 0.005
    assert rows[0].confidence == pytest.approx(0.5)
    assert [row.confidence for row in rows] == sorted(row.confidence for row in rows)


def test_evaluate_vote(tiny_run: TinyRun) -> None:
    """`evaluate --vote --json` holds each model, each rule, each pair and the errors by coverage, which agree."""
    arguments = ("evaluate", "mlp=1", "cnn=1", "lenet5=1", "--vote", *OTHER, "--artifacts", tiny_run.artifacts)
    done = cli(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    errors = {row["name"]: round(200 * (1 - row["accuracy"])) for row in told["figures"]}
    assert list(errors) == ["mlp 1", "cnn 1", "lenet5 1", "vote: weighted", "vote: mean", "vote: majority"]
    assert [(one["first"], one["second"]) for one in told["pairs"]] == [
        ("mlp 1", "cnn 1"),
        ("mlp 1", "lenet5 1"),
        ("cnn 1", "lenet5 1"),
    ]
    for one in told["pairs"]:
        apart = errors[one["first"]] + errors[one["second"]] - 2 * one["both_wrong"]
        assert one["different"] == apart + one["both_wrong"] - one["same_wrong"]
    for row in told["coverage"]:
        if row["coverage"] == 1:
            assert row["errors"] == errors[row["name"]]
    shown = cli(*arguments).stdout
    assert re.search(r"^mlp 1, cnn 1 +\d+ +\d+ +\d+", shown, re.MULTILINE)
    assert re.search(r"^vote: weighted( +[\d.]+%){7} *$", shown, re.MULTILINE)


def test_one_model_has_no_vote(tiny_run: TinyRun) -> None:
    """`--vote` of one model is bad input."""
    done = cli("evaluate", "mlp=1", "--vote", *OTHER, "--artifacts", tiny_run.artifacts)
    assert done.returncode == 2
    assert "--vote: one model alone has no vote" in done.stderr
