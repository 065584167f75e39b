"""What several versions are worth: each alone, by seed together, and summed up."""

import json
import re
import shutil
from pathlib import Path

import pytest

from registry import store
from registry.manifest import Metrics
from tests.trainer.conftest import MODELS, OTHER, TinyRun, cli
from trainer import published
from trainer.published import Spread


@pytest.fixture(scope="module")
def two_seeds(tiny_run: TinyRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two versions of the MLP and of LeNet-5, one of the CNN."""
    root = tmp_path_factory.mktemp("seeds")
    shutil.copytree(tiny_run.artifacts / "cnn", root / "cnn")
    for model in ("mlp", "lenet5"):
        for version in (1, 2):
            folder = shutil.copytree(tiny_run.artifacts / model / "1", root / model / str(version))
            manifest = json.loads((folder / "manifest.json").read_text()) | {"version": version}
            (folder / "manifest.json").write_text(json.dumps(manifest))
    return root


def test_choose(two_seeds: Path) -> None:
    """Every version that is named is chosen, each once; without names the newest of each, or every one."""
    assert published.choose(two_seeds, ["mlp=1", "mlp=2", "cnn", "mlp=1"]) == [("mlp", 1), ("mlp", 2), ("cnn", 1)]
    assert published.choose(two_seeds, []) == [("cnn", 1), ("lenet5", 2), ("mlp", 2)]
    every = [("cnn", 1), ("lenet5", 1), ("lenet5", 2), ("mlp", 1), ("mlp", 2)]
    assert published.choose(two_seeds, [], every=True) == every


def test_spreads() -> None:
    """Accuracies are summed up by model and by rule; what is there once is left out."""
    accuracies = {"mlp 1": 0.9, "cnn 1": 0.5, "mlp 2": 0.92, "mlp 12": 0.97, "vote 1: mean": 0.8, "vote 2: mean": 0.8}
    rows = [
        (name, Metrics(examples=10, accuracy=accuracy, loss=0, calibration_error=0))
        for name, accuracy in accuracies.items()
    ]
    mlp, vote = published.spreads(rows)
    assert (mlp.name, mlp.count, mlp.least, mlp.greatest) == ("mlp", 3, 0.9, 0.97)
    assert (mlp.mean, mlp.deviation) == pytest.approx((0.93, 0.0013**0.5))
    assert vote == Spread("vote: mean", 2, 0.8, 0, 0.8, 0.8)


def test_several_versions(two_seeds: Path) -> None:
    """Each version given has a line; the first of each model vote together, then the second; all are summed up."""
    words = ("mlp=1", "mlp=2", "lenet5=1", "lenet5=2")
    done = cli("evaluate", *words, *OTHER, "--artifacts", two_seeds, "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    names = [row["name"] for row in told["figures"]]
    assert names[:4] == ["mlp 1", "mlp 2", "lenet5 1", "lenet5 2"]
    assert names[4:] == [f"vote {number}: {rule}" for number in (1, 2) for rule in ("weighted", "mean", "majority")]
    accuracy = store.manifest(two_seeds, "mlp", 1).metrics["test"].accuracy
    assert [one["name"] for one in told["spread"]] == [
        "mlp",
        "lenet5",
        "vote: weighted",
        "vote: mean",
        "vote: majority",
    ]
    assert [told["spread"][0][key] for key in ("count", "mean", "deviation")] == [2, pytest.approx(accuracy), 0]


def test_every_version_and_classes(two_seeds: Path) -> None:
    """`--all` takes every version, without a vote where counts differ; `--classes` shows how labels were read."""
    done = cli("evaluate", "--all", "--classes", *OTHER, "--artifacts", two_seeds)
    assert done.returncode == 0, done.stderr
    assert "no vote: not as many versions of each of cnn, lenet5, mlp" in done.stdout
    assert "vote: weighted" not in done.stdout
    shares = r"100\.00%|\d{1,2}\.\d\d%"
    assert re.search(rf"^mlp 2 +({shares}) +", done.stdout, re.MULTILINE)
    assert re.search(rf"^mlp +2 +({shares}) +0\.00% +\1 +\1", done.stdout, re.MULTILINE)
    table = done.stdout.partition("cnn 1: label")[2].partition("lenet5 1: label")[0]
    assert len(re.findall(rf"^\d +({shares}) +({shares}) +({shares}) +20 *$", table, re.MULTILINE)) == 10
    assert re.search(r"^cnn 1: true, read as +0 +1 +2 +3 +4 +5 +6 +7 +8 +9 *$", done.stdout, re.MULTILINE)


def test_classes_agree_with_the_report(tiny_run: TinyRun) -> None:
    """`--classes --json` computes what stood in the report of the run."""
    done = cli("evaluate", "cnn", "--classes", "--json", *OTHER, "--artifacts", tiny_run.artifacts)
    assert done.returncode == 0, done.stderr
    report = json.loads((tiny_run.artifacts / "cnn" / "1" / "report" / "metrics.json").read_text())["test"]
    found = json.loads(done.stdout)["classes"]["cnn 1"]
    assert found == {"classes": report["classes"], "confusion": report["confusion"]}


def test_evaluate(tiny_run: TinyRun) -> None:
    """`evaluate` gives each manifest's own test figures again, from model.pt, and the vote's by each rule."""
    versions = ("mlp=1", "cnn=1", "lenet5=1")
    done = cli("evaluate", *versions, *OTHER, "--json", "--corruptions", "--artifacts", tiny_run.artifacts)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    rows = {row["name"]: row for row in told["figures"]}
    assert list(rows) == ["mlp 1", "cnn 1", "lenet5 1", "vote: weighted", "vote: mean", "vote: majority"]
    for model in MODELS:
        metrics = store.manifest(tiny_run.artifacts, model, 1).metrics["test"]
        assert rows[f"{model} 1"]["accuracy"] == pytest.approx(metrics.accuracy)
        assert rows[f"{model} 1"]["loss"] == pytest.approx(metrics.loss, rel=1e-4)
    report = json.loads((tiny_run.artifacts / "cnn" / "1" / "report" / "metrics.json").read_text())
    assert rows["vote: weighted"]["accuracy"] == pytest.approx(report["vote"]["test"]["weighted"]["accuracy"])
    for corruption, accuracy in told["corruptions"]["cnn 1"].items():
        assert accuracy == pytest.approx(report["corruptions"]["model"][corruption])
    for corruption, accuracy in told["corruptions"]["vote: weighted"].items():
        assert accuracy == pytest.approx(report["corruptions"]["vote"][corruption])


def test_corruptions_by_rule(tiny_run: TinyRun) -> None:
    """`--rule` decides by which rule models vote on corrupted digits."""
    words = ("cnn=1", "lenet5=1", "mlp=1", "--corruptions", "--rule", "majority", "--json", *OTHER)
    done = cli("evaluate", *words, "--artifacts", tiny_run.artifacts)
    assert done.returncode == 0, done.stderr
    assert list(json.loads(done.stdout)["corruptions"]) == ["cnn 1", "lenet5 1", "mlp 1", "vote: majority"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["mlp=1", "mlp=2", "--vote"], "--vote: one version of a model votes, not 2 of mlp"),
        (["--all", "--corruptions"], "--corruptions: one version of a model votes, not 2 of lenet5"),
        (["--all", "cnn=1"], "--all: leave out cnn=1"),
        (["--corruptions", "--rule", "median"], "--rule median: give weighted, mean, majority"),
    ],
)
def test_refused(two_seeds: Path, words: list[str], message: str) -> None:
    """What cannot vote, or cannot be meant, is one clear line."""
    done = cli("evaluate", *words, *OTHER, "--artifacts", two_seeds)
    assert done.returncode == 2
    assert done.stderr == f"error: {message}\n"
