"""The committed release's figures in the docs, held against its manifests and reports."""

import json
import re
from typing import Any

import pytest

from registry import store
from tests.support import RELEASE, ROOT, committed

NAMES = {"LeNet-5": "lenet5", "MLP": "mlp", "CNN": "cnn"}
README = (ROOT / "README.md").read_text()
TRAINING = (ROOT / "docs" / "training.md").read_text()
PICTURES = (ROOT / "docs" / "pictures.md").read_text()


def report(model: str) -> dict[str, Any]:
    """The figures of a committed model's report."""
    found: dict[str, Any] = json.loads(
        (store.version_path(RELEASE, model, committed(model)) / "report" / "metrics.json").read_text()
    )
    return found


def row(page: str, first: str, count: int) -> list[str]:
    """The cells after the first, so many, of the one table row of a page that begins so."""
    found = re.findall(rf"^\| {re.escape(first)} \| (.*) \|$", page, re.MULTILINE)
    (cells,) = [cells for cells in (re.split(r" *\| *", line) for line in found) if len(cells) == count]
    return cells


def percent(share: float) -> str:
    """A share as the pages write it."""
    return f"{share:.2%}".replace("%", " %")


@pytest.mark.parametrize("name", NAMES)
def test_the_readme_has_each_models_figures(name: str) -> None:
    """Parameters, accuracy and calibration error in README.md are those of manifest and report."""
    manifest, figures = store.manifest(RELEASE, NAMES[name], committed(NAMES[name])), report(NAMES[name])
    test = manifest.metrics["test"]
    told = [f"{manifest.parameters:,}", percent(test.accuracy), percent(test.calibration_error)]
    assert row(README, name, 3) == told
    assert percent(figures["test"]["accuracy"]) == percent(test.accuracy)
    assert figures["weight"] == manifest.weight


def test_the_votes_figures_are_those_of_every_report() -> None:
    """All three reports tell the same of the vote, and README.md and docs/pictures.md have its figures."""
    votes = [report(model)["vote"] for model in NAMES.values()]
    assert votes[0] == votes[1] == votes[2]
    test = votes[0]["test"]["weighted"]
    told = percent(test["accuracy"])
    assert row(README, "the vote of the three, `weighted`", 3) == ["", told, percent(test["calibration_error"])]
    assert f"vote {told} both ways" in PICTURES


def test_errors_among_what_is_answered_are_those_of_the_reports() -> None:
    """The table of coverage in docs/training.md holds the reports' errors, of the models and of the weighted vote."""
    kept = {name: report(model)["coverage"]["model"] for name, model in NAMES.items()}
    kept["vote, weighted"] = report("cnn")["coverage"]["vote"]
    for name, shares in kept.items():
        assert row(TRAINING, name, 6) == [percent(share["error"]) for share in shares[:6]], name


def test_accuracy_on_corrupted_digits_is_that_of_the_reports() -> None:
    """The table of corruptions in docs/training.md holds the reports' figures, of the models and of the vote."""
    reports = [report(model)["corruptions"] for model in NAMES.values()]
    columns = [each["model"] for each in reports] + [reports[0]["vote"]]
    titles = {"mean": "mean", "unseen": "mean of the last three"}
    for kind in columns[0]:
        told = row(TRAINING, titles.get(kind, f"`{kind}`"), 5)[1:]
        assert told == [percent(column[kind]) for column in columns], kind
