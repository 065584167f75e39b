"""Training a published version again."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from registry import store
from tests.support import RELEASE, ROOT, committed
from tests.trainer.conftest import OTHER, TinyRun, cli, process
from trainer import reproduce
from trainer.errors import TrainerError


def test_bit_for_bit(tiny_run: TinyRun, tmp_path: Path) -> None:
    """From its manifest alone a version comes out again with the same answers, bit for bit, in the folder given."""
    again = tmp_path / "again"
    done = process(
        "reproduce", tiny_run.artifacts / "mlp" / "1", *OTHER, "--runs", tmp_path / "runs", "--artifacts", again
    )
    assert done.returncode == 0, done.stderr
    assert "the figures agree: the same answers, bit for bit" in done.stdout
    first, second = (store.manifest(root, "mlp", 1) for root in (tiny_run.artifacts, again))
    assert first.metrics == second.metrics
    assert store.models(again) == ["mlp"]
    assert "figures may differ" not in done.stdout


def test_disagreement(tiny_run: TinyRun, tmp_path: Path) -> None:
    """A version that its manifest's recipe does not give is said not to agree, though below its target; status is 1."""
    folder = tmp_path / "mlp" / "1"
    shutil.copytree(tiny_run.artifacts / "mlp" / "1", folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["recipe"]["models"]["mlp"] |= {"epochs": 1, "target": 0.99}
    manifest["torch"] = "1.13.0"
    (folder / "manifest.json").write_text(json.dumps(manifest))
    done = cli("reproduce", folder, *OTHER, "--runs", tmp_path / "runs")
    assert done.returncode == 1, done.stderr
    assert "the figures do not agree: " in done.stdout
    assert f"torch 1.13.0, now {torch.__version__}: figures may differ\n" in done.stdout
    assert store.versions(tmp_path, "mlp") == [1]


def test_targets_are_left_out() -> None:
    """Neither a model's target nor the vote's keeps what was trained again from being compared."""
    manifest = store.manifest(RELEASE, "cnn", committed("cnn"))
    assert manifest.recipe["vote"]["target"] > 0
    found = reproduce.original(store.version_path(RELEASE, "cnn", committed("cnn"))).recipe
    assert {found.vote.target, *(one.target for one in found.models.values())} == {0}
    assert found.models["cnn"].epochs == manifest.recipe["models"]["cnn"]["epochs"]


@pytest.mark.parametrize("folder", ["artifacts/mlp", "artifacts/mlp/99", "artifacts"])
def test_no_version(folder: str) -> None:
    """What is no version's folder is bad input."""
    with pytest.raises(TrainerError, match=r"not a version's folder, like artifacts/cnn/1"):
        reproduce.original(ROOT / folder)


@pytest.mark.parametrize("model", ["cnn", "lenet5", "mlp", "gate"])
def test_committed_versions_can_be_trained_again(model: str) -> None:
    """The recipe in each committed manifest is still one that trains, also after recipes got new keys."""
    found = reproduce.original(store.version_path(RELEASE, model, committed(model)))
    assert found.manifest.name == model
    assert found.network in found.recipe.models
    assert found.threads


def test_other_data(tmp_path: Path) -> None:
    """Data other than the version's is refused before training, by the file."""
    done = cli("reproduce", store.version_path(RELEASE, "mlp", committed("mlp")), *OTHER, "--runs", tmp_path / "runs")
    assert done.returncode == 2
    assert f"train-images-idx3-ubyte: not what mlp {committed('mlp')} was trained on" in done.stderr
    assert not (tmp_path / "runs").exists()
