"""model.onnx: the networks' graphs, with weights that lie in model.pt."""

import hashlib
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto
from torch import nn

from registry import store, torchscript
from registry.golden import Golden
from registry.onnx import predictor
from registry.open import open_version
from tests.support import golden_pictures
from tests.trainer.conftest import TinyRun, cli
from trainer import graph, models
from trainer.errors import TrainerError
from trainer.recipe import SHIPPED, read

NETWORKS = [
    (path.stem, name)
    for path in sorted(SHIPPED.glob("*.toml"))
    for name, settings in read(path.stem).models.items()
    if settings.architecture.kind != "published"
]


def made(network: nn.Module) -> tuple[bytes, bytes, Golden]:
    """A network's model.onnx, its model.pt and its golden digits."""
    model = torchscript.dump(network)
    pictures = golden_pictures(5)
    golden = Golden(pictures, torchscript.predictor(torchscript.load(model))(pictures))
    return graph.dump(network, model, golden), model, golden


@pytest.mark.parametrize(("recipe", "name"), NETWORKS)
def test_every_recipe_s_network_has_a_graph(recipe: str, name: str) -> None:
    """ONNX Runtime gives a network's logits by its graph, whatever the batch, and no weight stands in the graph."""
    torch.manual_seed(0)
    chosen = next(settings for known, settings in read(recipe).models.items() if known == name)
    network = models.folded(chosen.architecture.build())
    content, model, golden = made(network)
    predict = predictor(content, model)
    for size in (1, 5):
        np.testing.assert_allclose(predict(golden.pictures[:size]), golden.logits[:size], rtol=1e-4, atol=1e-4)
    tensors = {tensor.name: tensor for tensor in onnx.load_from_string(content).graph.initializer}
    for parameter, _ in network.named_parameters():
        assert tensors[parameter].data_location == TensorProto.EXTERNAL
    assert len(content) < 5000


def test_a_layer_without_onnx_is_named() -> None:
    """A network with a layer that no row is for is an error that says where to add one."""
    network = models.folded(models.LeNet5())
    network.layers.append(nn.Softmax(dim=1))  # type: ignore[union-attr, operator]
    with pytest.raises(TrainerError, match=r"Softmax: no ONNX.*trainer/graph\.py"):
        made(network)


def test_a_run_publishes_graphs(tiny_run: TinyRun) -> None:
    """Each version of a run has a model.onnx that its manifest lists and that passes onnx's own checker."""
    for name in store.models(tiny_run.artifacts):
        artifact = open_version(tiny_run.artifacts, name, 1)
        assert artifact.graph is not None
        onnx.checker.check_model(tiny_run.artifacts / name / "1" / "model.onnx", full_check=True)


def test_a_graph_is_added_to_an_older_version(tiny_run: TinyRun, tmp_path: Path) -> None:
    """`trainer onnx` makes the very graph that the run made, lists it in the manifest and changes nothing else."""
    folder = shutil.copytree(tiny_run.artifacts / "cnn", tmp_path / "cnn") / "1"
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["files"]["model.onnx"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "model.onnx").unlink()
    done = cli("onnx", folder)
    assert done.returncode == 0, done.stderr
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_a_graph_that_is_published_is_not_replaced(tiny_run: TinyRun, tmp_path: Path) -> None:
    """`trainer onnx` of a version that lists another graph is one clear line."""
    folder = shutil.copytree(tiny_run.artifacts / "cnn", tmp_path / "cnn") / "1"
    manifest = json.loads((folder / "manifest.json").read_text())
    other = (folder / "model.onnx").read_bytes() + b"\x32\x00"  # an empty field more, which changes nothing
    manifest["files"]["model.onnx"] = hashlib.sha256(other).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "model.onnx").write_bytes(other)
    done = cli("onnx", folder)
    assert done.returncode == 2
    assert "published with other content" in done.stderr
    assert (folder / "model.onnx").read_bytes() == other


def test_weights_that_model_pt_lacks_are_named() -> None:
    """A network that is not the one in model.pt is an error that names the first parameter that differs."""
    first, second = models.folded(models.LeNet5()), models.folded(models.LeNet5())
    _, model, golden = made(first)
    name = next(name for name, _ in second.named_parameters())
    with pytest.raises(TrainerError, match=rf"^{re.escape(name)}: its numbers do not lie in model\.pt$"):
        graph.dump(second, model, golden)


def test_weights_of_another_network_are_refused(tiny_run: TinyRun) -> None:
    """A version whose model.pt is not its recipe's network gets no graph, and the error says so."""
    artifact = open_version(tiny_run.artifacts, "mlp", 1)
    with pytest.raises(TrainerError, match=r"mlp 1: recipe: its network has other weights than model\.pt"):
        graph.of(replace(artifact, model=torchscript.dump(models.LeNet5())))


def test_a_folder_that_is_no_version_is_refused(tmp_path: Path) -> None:
    """`trainer onnx` of another folder is one clear line."""
    done = cli("onnx", tmp_path)
    assert done.returncode == 2
    assert "not a version's folder, like artifacts/cnn/1" in done.stderr
