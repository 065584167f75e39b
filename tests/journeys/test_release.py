"""The committed release: whole, within its limits, and read alike by plain torch and by the service."""

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image

from registry import store, torchscript
from registry.manifest import GATE
from registry.open import open_version
from registry.rules import probabilities
from service.app import create_app
from service.settings import Settings
from tests.mnist import digits, labels
from tests.support import encoded, hosting, wait_until_loaded
from trainer import outliers

NAMES = ("cnn", "lenet5", "mlp")


def test_the_release_is_whole_and_small(release: Path) -> None:
    """All three models open, every listed file is there as listed, and all take less than 10 MB."""
    assert store.models(release) == list(NAMES)
    for name in NAMES:
        version = store.latest(release, name)
        assert version is not None
        manifest = open_version(release, name, version).manifest
        folder = store.version_path(release, name, version)
        there = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
        assert there == {"model.pt", "manifest.json", *manifest.files}
        assert {f"report/{part}" for part in ("metrics.json", "curves.png", "confusion.png", "mistakes.png")} <= there
    assert sum(path.stat().st_size for path in release.rglob("*") if path.is_file()) < 10_000_000


def test_the_gate_is_whole_and_was_trained_from_a_known_commit(release: Path) -> None:
    """The gate opens, has every file that its manifest lists, and refuses what is no digit of most kinds."""
    manifest = open_version(release, GATE, store.latest(release, GATE) or 0).manifest
    folder = store.version_path(release, GATE, manifest.version)
    there = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert there == {"model.pt", "manifest.json", *manifest.files}
    assert manifest.recipe["name"] == "gate"
    assert manifest.commit
    assert "+dirty" not in manifest.commit
    refused = json.loads((folder / "report" / "metrics.json").read_text())["refused"]["balanced"]
    assert max(refused["digits"].values()) < 0.05
    assert np.median(list(refused["others"].values())) > 0.9


def test_the_service_refuses_what_is_drawn_as_no_digit(release: Path) -> None:
    """Digits are accepted, drawn letters and scribbles mostly refused, with a reason; with `off` all are accepted."""
    drawn, kinds = outliers.draw(300, 99, digits(), labels())
    letters = drawn[kinds == outliers.KINDS.index("letters")][:30]
    scribbles = drawn[kinds == outliers.KINDS.index("scribbles")][:10]
    with hosting(create_app(Settings(artifacts=release))) as client:
        assert wait_until_loaded(client)["gate"]["loaded"]
        accepted = {}
        for name, pictures in {"digits": digits()[:50], "letters": letters, "scribbles": scribbles}.items():
            files = [encoded(Image.fromarray(pixels)) for pixels in pictures]
            answers = [client.post("/predict", files={"file": file}).json() for file in files]
            assert all(answer["accepted"] == (answer["reason"] is None) for answer in answers)
            accepted[name] = np.mean([answer["accepted"] for answer in answers])
        assert accepted["digits"] >= 0.96
        assert accepted["letters"] <= 0.4
        assert accepted["scribbles"] <= 0.2
    with hosting(create_app(Settings(artifacts=release, reject="off"))) as client:
        wait_until_loaded(client)
        assert client.post("/predict", files={"file": encoded(Image.fromarray(scribbles[0]))}).json()["accepted"]


FLOORS = {"cnn": 0.996, "lenet5": 0.995, "mlp": 0.9945}


def test_the_manifests_hold_what_was_asked_of_the_release(release: Path) -> None:
    """Each model is above its floor, calibrated, and trained by the release recipe from a known commit."""
    for name in NAMES:
        manifest = store.manifest(release, name, store.latest(release, name) or 0)
        assert manifest.metrics["test"].accuracy >= FLOORS[name]
        assert manifest.metrics["test"].calibration_error <= 0.005
        assert manifest.metrics["test"].examples == 10_000
        assert manifest.recipe["name"] == "release"
        assert manifest.commit
        assert "+dirty" not in manifest.commit


def test_the_vote_holds_what_was_asked_of_the_release(release: Path) -> None:
    """The vote is above its floor, calibrated, and reads 97 % of corrupted digits."""
    for name in NAMES:
        version = str(store.latest(release, name))
        report = json.loads((release / name / version / "report" / "metrics.json").read_text())
        vote = report["vote"]["test"][report["vote"]["default"]]
        assert vote["accuracy"] >= 0.9965
        assert vote["calibration_error"] <= 0.005
        assert report["corruptions"]["vote"]["mean"] >= 0.97


@pytest.mark.filterwarnings("ignore:`torch.jit.load` is deprecated")
def test_a_few_lines_of_torch_read_a_model(release: Path) -> None:
    """model.pt alone, without any of our code, reads pixels in 0..1: a smoke test on digits of the training set."""
    pictures = torch.from_numpy(digits().astype(np.float32) / 255).unsqueeze(1)
    for name in NAMES:
        model = torch.jit.load(release / name / str(store.latest(release, name)) / "model.pt")  # type: ignore[no-untyped-call]
        right = (model(pictures).argmax(1).numpy() == labels()).mean()
        assert right >= 0.98


def test_a_few_lines_of_onnxruntime_read_a_model(release: Path) -> None:
    """model.onnx beside its model.pt, without any of our code, gives the golden digits' logits."""
    for name in (*NAMES, GATE):
        version = store.latest(release, name) or 0
        session = onnxruntime.InferenceSession(release / name / str(version) / "model.onnx")
        golden = open_version(release, name, version).golden
        (logits,) = session.run(None, {"INPUT__0": golden.pictures})
        np.testing.assert_allclose(logits, golden.logits, atol=1e-4)


def test_the_service_answers_as_the_models_do(release: Path) -> None:
    """A digit posted as a PNG gets from each model the very probabilities that model.pt gives for its pixels."""
    expected = {}
    for name in NAMES:
        artifact = open_version(release, name, store.latest(release, name) or 0)
        logits = torchscript.predictor(torchscript.load(artifact.model))(
            digits()[:50, np.newaxis].astype(np.float32) / np.float32(255)
        )
        expected[name] = probabilities(logits, artifact.manifest.temperature)
    with hosting(create_app(Settings(artifacts=release))) as client:
        assert wait_until_loaded(client)["state"] == "ready"
        for row, pixels in enumerate(digits()[:50]):
            picture = encoded(Image.fromarray(pixels))
            answer = client.post("/predict", files={"file": picture}).json()
            for vote in answer["votes"]:
                np.testing.assert_allclose(vote["probabilities"], expected[vote["model"]][row], atol=1e-5)
            assert answer["label"] == labels()[row]
