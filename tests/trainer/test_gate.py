"""The gate, trained on tiny data by the real command: what it learns from, publishes and reports."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from registry import store, torchscript
from registry.open import open_version
from registry.rules import log_odds
from tests.mnist import digits, labels
from tests.trainer.conftest import DATA, OTHER, TINY, cli, process
from trainer import evaluate, mnist, outliers, recipe
from trainer.errors import TrainerError
from trainer.gate import examples
from trainer.gate.job import run
from trainer.gate.measure import Scores, curve
from trainer.layout import Bytes
from trainer.progress import Progress
from trainer.recipe import Augmentation

TINY_GATE = DATA / "tiny-gate.toml"


@pytest.fixture(scope="session")
def tiny_gate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Artifacts with a gate, trained and published by the real command. Not to be changed by tests."""
    folder = tmp_path_factory.mktemp("gate")
    done = process(
        "gate", "--recipe", TINY_GATE, *OTHER, "--artifacts", folder / "artifacts", "--runs", folder / "runs"
    )
    assert done.returncode == 0, done.stderr
    assert f"published {folder / 'artifacts' / 'gate' / '1'}" in done.stdout
    assert "digits, clean" in done.stdout
    return folder / "artifacts"


def test_a_gate_is_published_whole_and_is_no_voter(tiny_gate: Path) -> None:
    """It opens verified, gives its golden logits, has two labels and thresholds, and is not among those that vote."""
    artifact = open_version(tiny_gate, "gate", 1)
    artifact.golden.check(torchscript.predictor(torchscript.load(artifact.model)))
    assert artifact.manifest.labels == ["other", "digit"]
    assert artifact.manifest.output.shape == [2]
    assert artifact.manifest.thresholds["balanced"] < artifact.manifest.thresholds["strict"]
    assert artifact.manifest.recipe["outliers"] == 800
    assert store.models(tiny_gate) == []
    assert "dims: [ 2 ]" in (tiny_gate / "gate" / store.CONFIG_FILE).read_text()
    assert (tiny_gate / "gate" / store.LABELS_FILE).read_text().split() == ["other", "digit"]


def test_the_report_has_each_kind_and_the_curve(tiny_gate: Path) -> None:
    """Both thresholds' refusals by source and kind, and less error at half the digits than at all."""
    folder = tiny_gate / "gate" / "1" / "report"
    figures = json.loads((folder / "metrics.json").read_text())
    for strictness in ("balanced", "strict"):
        refused = figures["refused"][strictness]
        assert set(refused["digits"]) == {"clean", "distorted", "drawn", "coarse"}
        assert set(refused["others"]) == set(outliers.KINDS)
        assert np.mean(list(refused["digits"].values())) < np.mean(list(refused["others"].values()))
    assert figures["coverage"][100][1] <= figures["coverage"][-1][1]
    assert {path.name for path in folder.iterdir()} == {"metrics.json", "curves.png", "refused.png", "coverage.png"}


def test_scores_part_digits_from_others(tiny_gate: Path) -> None:
    """Of digits that were not trained on more than nine in ten reach the balanced threshold, of scribbles few do."""
    artifact = open_version(tiny_gate, "gate", 1)
    predict = torchscript.predictor(torchscript.load(artifact.model))
    least = artifact.manifest.thresholds["balanced"]

    def accepted(pictures: Bytes) -> float:
        scores = log_odds(predict(evaluate.scaled(pictures)), artifact.manifest.temperature)
        return float((scores >= least).mean())

    drawn, kinds = outliers.draw(400, 77, digits(), labels())
    assert accepted(digits()) > 0.9
    assert accepted(drawn[kinds == outliers.KINDS.index("strips")]) < 0.6


def test_the_models_command_lists_a_gate(tiny_gate: Path) -> None:
    """`models` shows it beside what votes; `evaluate` and `compare` know only what votes."""
    assert "gate" in cli("models", "--artifacts", tiny_gate).stdout
    assert cli("evaluate", "gate", "--artifacts", tiny_gate, *OTHER).returncode == 2


def test_a_missed_target_publishes_nothing(tmp_path: Path) -> None:
    """Below the recipe's target nothing is published, and the exit status is 1."""
    high = tmp_path / "high.toml"
    high.write_text(
        TINY_GATE.read_text()
        .replace("target = 0.7", "target = 0.9999")
        .replace("epochs = 10", "epochs = 1")
        .replace("outliers = 800", "outliers = 100")
    )
    done = cli("gate", "--recipe", high, *OTHER, "--artifacts", tmp_path / "artifacts", "--runs", tmp_path / "runs")
    assert done.returncode == 1
    assert "below the recipe's target of 99.99%; no gate was published" in done.stderr
    assert store.latest(tmp_path / "artifacts", "gate") is None


@pytest.mark.parametrize(
    ("command", "name", "told"), [("train", "gate", "trainer gate"), ("gate", "quick", "outliers")]
)
def test_each_command_refuses_the_others_recipes(tmp_path: Path, command: str, name: str, told: str) -> None:
    """A gate's recipe is not trained as voters are, nor theirs as a gate: bad input, with what to do."""
    places = ("--artifacts", tmp_path / "artifacts", "--runs", tmp_path / "runs")
    done = cli(command, "--recipe", name, *OTHER, *places)
    assert done.returncode == 2
    assert told in done.stderr


def test_a_gate_of_ten_outputs_is_refused(tmp_path: Path) -> None:
    """A gate's network has two outputs; another number is refused before training, by its key."""
    table = recipe.read(str(TINY_GATE)).model_dump(mode="json")
    table["models"]["cnn"]["architecture"]["outputs"] = 10
    wrong = recipe.Recipe.model_validate(table)
    from rich.console import Console

    with pytest.raises(TrainerError, match=r"architecture\.outputs"):
        run(wrong, mnist.load(DATA, other=True), tmp_path, tmp_path, Progress(Console()), device=torch.device("cpu"))


def test_training_is_both_sides_and_seeded() -> None:
    """As many digits and outliers as the recipe says, the same for the same seed; validation's outliers are others."""
    images = mnist.load(DATA, other=True)
    tiny = recipe.read(str(TINY_GATE)).model_copy(update={"drawn": 20, "outliers": 60})
    first, again = (examples.training(images, tiny, outputs, torch.device("cpu")) for outputs in (2, 11))
    assert int((first.labels == examples.OTHER).sum()) == 60
    assert int((first.labels == examples.DIGIT).sum()) == 300 + 20
    assert torch.equal(first.pictures, again.pictures)
    assert torch.equal(first.labels, again.labels.clamp(max=examples.DIGIT))
    assert set(again.labels.tolist()) == set(range(11))
    held = examples.held(digits().copy(), labels(), 5, Augmentation(rotation=5))
    assert sum(map(len, held.others.values())) == len(digits())
    assert not np.array_equal(held.digits["clean"], held.digits["distorted"])


def test_coarse_pictures_are_of_few_dots() -> None:
    """The share given is changed, the rest is as it was; what is changed keeps about its ink."""
    coarse = examples.coarsened(digits(), 1, share=0.5)
    changed = (coarse != digits()).any(axis=(1, 2))
    assert 0.4 < changed.mean() < 0.6
    assert coarse.mean() == pytest.approx(digits().mean(), rel=0.25)


def test_the_curve_ends_where_every_digit_is_accepted() -> None:
    """At full coverage the error is the share of outliers in what is accepted; scores that part them have none."""
    scores = Scores({"all": np.arange(100, dtype=np.float32)}, {"all": np.arange(-50, 50, dtype=np.float32)})
    assert curve(scores)[-1].coverage == 1
    assert curve(scores)[-1].error == pytest.approx(0.5 / 1.5)
    apart = Scores(scores.digits, {"all": np.full(10, -1, np.float32)})
    assert all(point.error == 0 for point in curve(apart))


def test_a_gate_is_trained_again_from_its_manifest(tiny_gate: Path, tmp_path: Path) -> None:
    """`reproduce` of a gate gives the same answers, bit for bit, to digits and to outliers."""
    done = cli("reproduce", tiny_gate / "gate" / "1", *OTHER, "--runs", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "the figures agree: the same answers, bit for bit" in done.stdout


def test_a_recipe_may_name_a_gate(tmp_path: Path) -> None:
    """`train` trains the recipe's gate first where none is published, and not again; nor for one model alone."""
    short = re.sub(r"epochs = \d+", "epochs = 1", TINY_GATE.read_text()).replace("target = 0.7", "target = 0")
    (tmp_path / "gate.toml").write_text(short.replace("outliers = 800", "outliers = 100"))
    voters = re.sub(r"epochs = \d+", "epochs = 1", TINY.read_text()).replace("target = 0.5", "target = 0")
    (tmp_path / "voters.toml").write_text(voters.replace("seed = 1", f'gate = "{tmp_path}/gate.toml"', 1))
    command = ["train", "--recipe", tmp_path / "voters.toml", *OTHER, "--runs", tmp_path / "runs"]

    def published(*options: object) -> list[str]:
        done = cli(*command, "--artifacts", tmp_path / "artifacts", *options)
        assert done.returncode == 0, done.stderr
        return re.findall(r"^published .*/(\w+/\d+)$", done.stdout, re.MULTILINE)

    assert published("--model", "mlp") == ["mlp/1"]
    assert published() == ["gate/1", "lenet5/1", "mlp/2", "cnn/1"]
    assert published("--if-missing") == []
    shutil.rmtree(tmp_path / "artifacts" / "gate")
    assert published("--if-missing") == ["gate/1"]
