"""Weights in the vote: measured on distorted validation, again of versions that are published."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from registry import store, torchscript
from registry.manifest import GATE
from registry.open import open_version
from tests.support import RELEASE, Linear, committed
from tests.trainer.conftest import MODELS, OTHER, TinyRun, cli
from trainer import evaluate, mnist, recipe, reweigh, sampling, weight
from trainer.errors import TrainerError
from trainer.mnist import Mnist

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def small() -> Mnist:
    """The tests' own data."""
    return mnist.load(Path(OTHER[1]), other=True)


def test_distorted(small: Mnist) -> None:
    """Each picture is drawn five times, each time otherwise, the same in every run, and keeps its label."""
    pictures, truth = small.test_pictures[:30], small.test_labels[:30]
    drawn, labels = weight.distorted(pictures, truth)
    assert drawn.shape == (150, 28, 28)
    assert drawn.dtype == np.uint8
    assert labels.tolist() == truth.tolist() * 5
    assert len(np.unique(drawn, axis=0)) == 150
    assert np.array_equal(drawn, weight.distorted(pictures, truth)[0])


def test_measured(small: Mnist) -> None:
    """The weight is that of the errors which the module makes of the pictures given."""
    pictures, truth = small.test_pictures[:30], small.test_labels[:30]
    model = torchscript.dump(Linear(0))
    errors = int((evaluate.logits(model, pictures).argmax(1) != truth).sum())
    assert weight.measure(model, pictures, truth) == pytest.approx(evaluate.vote_weight(errors, 30))


def test_of_a_run(tiny_run: TinyRun, small: Mnist) -> None:
    """A run's manifests have the weights of its own validation part, distorted."""
    artifact = open_version(tiny_run.artifacts, "mlp", 1)
    held = sampling.parts(small.training_labels, recipe.check(artifact.manifest.recipe, "mlp"))[1].numpy()
    harder = weight.distorted(small.training_pictures[held], small.training_labels[held])
    assert artifact.manifest.weight == weight.measure(artifact.model, *harder)


def test_weighed_again(tiny_run: TinyRun, small: Mnist, tmp_path: Path) -> None:
    """Versions weighed again keep all but weights and the report of the vote, made as a run makes them."""
    old = tmp_path / "old"
    for name in MODELS:
        folder = shutil.copytree(tiny_run.artifacts / name / "1", old / name / "1")
        manifest = json.loads((folder / "manifest.json").read_text()) | {"weight": 1.0}
        (folder / "manifest.json").write_text(json.dumps(manifest))
    reweigh.again([old / name / "1" for name in MODELS], small, tmp_path / "new", device=CPU)
    for name in MODELS:
        first, second = (store.manifest(root, name, 1) for root in (tiny_run.artifacts, tmp_path / "new"))
        assert second == first
        open_version(tmp_path / "new", name, 1)


def test_refused(tiny_run: TinyRun, small: Mnist, tmp_path: Path) -> None:
    """A gate, and versions that were chosen on different pictures, are not weighed."""
    other = shutil.copytree(tiny_run.artifacts / "mlp" / "1", tmp_path / "mlp" / "1")
    manifest = json.loads((other / "manifest.json").read_text())
    manifest["recipe"]["seed"] = 2
    (other / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(TrainerError, match="versions of several seeds or validation parts"):
        reweigh.again([tiny_run.artifacts / "cnn" / "1", other], small, tmp_path / "new", device=CPU)
    done = cli("weigh", store.version_path(RELEASE, GATE, committed(GATE)), *OTHER, "--artifacts", tmp_path / "new")
    assert done.returncode == 2
    assert done.stderr.endswith("gate/2: a gate does not vote\n")
    assert not (tmp_path / "new").exists()
