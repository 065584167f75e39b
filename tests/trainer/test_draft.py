"""What a version is made of: its files, report and configuration, after a run by the real command."""

import io
import json
from pathlib import Path

import pytest
import torch
from google.protobuf import text_format
from PIL import Image
from tritonclient.grpc import model_config_pb2

from registry import store, torchscript
from registry.open import open_version
from tests.trainer.conftest import MODELS, OTHER, TinyRun, cli
from trainer import mnist, recipe
from trainer.corrupt import CORRUPTIONS, UNSEEN
from trainer.coverage import SHARES


@pytest.mark.parametrize("model", MODELS)
def test_version_is_whole(tiny_run: TinyRun, model: str) -> None:
    """A version opens verified, gives its golden logits, and its manifest has all that is needed to train it again."""
    artifact = open_version(tiny_run.artifacts, model, 1)
    artifact.golden.check(torchscript.predictor(torchscript.load(artifact.model)))
    manifest = artifact.manifest
    assert len(artifact.golden.pictures) == 32
    assert {0.0, 1.0} <= {float(picture.mean()) for picture in artifact.golden.pictures}  # a blank and a full one
    assert manifest.labels == list("0123456789")
    assert set(manifest.metrics) == {"validation", "test"}
    assert manifest.metrics["test"].examples == 200
    assert manifest.recipe["models"][model]["schedule"]["warmup"] == 0.25  # a default, resolved
    assert manifest.recipe["seed"] == 1
    assert {file.name: file.sha256 for file in manifest.data} == mnist.load(Path(OTHER[1]), other=True).sha256
    assert manifest.torch == torch.__version__
    assert manifest.device.startswith("cpu: ")
    assert manifest.device.endswith(", 1 thread")


@pytest.mark.parametrize("model", MODELS)
def test_report(tiny_run: TinyRun, model: str) -> None:
    """The report's figures agree with each other, and its pictures are small PNGs."""
    folder = store.version_path(tiny_run.artifacts, model, 1) / "report"
    figures = json.loads((folder / "metrics.json").read_text())
    test = figures["test"]
    assert sum(map(sum, test["confusion"])) == test["examples"] == 200
    assert sum(row[at] for at, row in enumerate(test["confusion"])) / 200 == pytest.approx(test["accuracy"])
    assert [one["support"] for one in test["classes"]] == [20] * 10
    assert sum(one["recall"] for one in test["classes"]) / 10 == pytest.approx(test["accuracy"])
    assert set(figures["vote"]["models"]) == set(MODELS)
    assert set(figures["vote"]["test"]) == {"weighted", "mean", "majority", "unanimous_errors"}
    assert len(figures["history"]) == figures["history"][-1]["epoch"]
    for accuracies in figures["corruptions"].values():
        mean, unseen = accuracies.pop("mean"), accuracies.pop("unseen")
        assert list(accuracies) == list(CORRUPTIONS)
        assert mean == pytest.approx(sum(accuracies.values()) / len(accuracies))
        assert unseen == pytest.approx(sum(accuracies[name] for name in UNSEEN) / len(UNSEEN))
    for rows in figures["coverage"].values():
        assert [row["coverage"] for row in rows] == list(SHARES)
    assert figures["coverage"]["model"][0]["error"] == pytest.approx(1 - test["accuracy"])
    assert figures["coverage"]["vote"][0]["error"] == pytest.approx(1 - figures["vote"]["test"]["weighted"]["accuracy"])
    for name in ("curves", "confusion", "mistakes", "coverage", "corruptions"):
        content = (folder / f"{name}.png").read_bytes()
        assert len(content) < 80_000
        with Image.open(io.BytesIO(content)) as picture:
            assert picture.format == "PNG"
            assert min(picture.size) > 150


@pytest.mark.parametrize("model", MODELS)
def test_triton_config(tiny_run: TinyRun, model: str) -> None:
    """config.pbtxt is a ModelConfig to Triton's own client, of this model's input and output."""
    text = (tiny_run.artifacts / model / store.CONFIG_FILE).read_text()
    config = text_format.Parse(text, model_config_pb2.ModelConfig())
    assert (config.name, config.backend) == (model, "pytorch")
    assert [(one.name, list(one.dims)) for one in config.input] == [("INPUT__0", [1, 28, 28])]
    assert [(one.name, list(one.dims)) for one in config.output] == [("OUTPUT__0", [10])]


def test_recipe_of_one_model(tmp_path: Path) -> None:
    """A shipped recipe of one model trains, publishes and reports; its vote is that model."""
    text = (recipe.SHIPPED / "lenet5-1998.toml").read_text()
    for old, new in (("validation = 5000", "validation = 100"), ("epochs = 15", "epochs = 1"), ("0.9847", "0")):
        text = text.replace(old, new)
    (tmp_path / "short.toml").write_text(text)
    places = ("--artifacts", tmp_path / "artifacts", "--runs", tmp_path / "runs")
    done = cli("train", "--recipe", tmp_path / "short.toml", *OTHER, *places)
    assert done.returncode == 0, done.stderr
    assert "vote" not in done.stdout
    report = json.loads((tmp_path / "artifacts" / "lenet5" / "1" / "report" / "metrics.json").read_text())
    assert report["vote"]["models"] == ["lenet5"]
    assert report["corruptions"]["vote"] == report["corruptions"]["model"]
    assert report["parameters"] == 60_850
