import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from registry import store, torchscript
from registry.open import open_version
from registry.rules import probabilities
from service.engine.engine import open_engine
from service.models import LoadError, load_version
from service.settings import Settings, SettingsError
from tests.mnist import digits, labels
from tests.support import RELEASE, ROOT, Linear, committed, encoded, publish_model, serving

ENGINES = ("torch", "onnx")
NAMES = ("mlp", "cnn", "lenet5", "gate")


def serve_without(module: str) -> tuple[str, ...]:
    """The command that serves where a module cannot be imported."""
    lines = f"import runpy, sys; sys.modules[{module!r}] = None; runpy.run_module('service', run_name='__main__')"
    return (sys.executable, "-c", lines)


@pytest.mark.parametrize("size", [1, 64])
@pytest.mark.parametrize("name", NAMES)
def test_engines_give_the_same_probabilities(name: str, size: int) -> None:
    """On real digits, alone or in batches, no probability of a committed model differs by 1e-4 between the engines."""
    artifact = open_version(RELEASE, name, store.latest(RELEASE, name) or 0)
    pictures = digits()[:, np.newaxis].astype(np.float32) / np.float32(255)
    batches = np.split(pictures, range(size, len(pictures), size))
    predictors = [open_engine(Settings(engine=engine)).predictor(artifact) for engine in ENGINES]
    ours, theirs = (
        probabilities(np.concatenate([predict(batch) for batch in batches]), artifact.manifest.temperature)
        for predict in predictors
    )
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-4)


def test_a_picture_alone_is_run_by_convolutions_laid_out_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a model with convolutions another module than that of batches runs a lone picture; of one without the same."""
    laid_out = torchscript.load(torchscript.dump(Linear(0)))
    monkeypatch.setattr(torchscript, "load_for_one", lambda _: laid_out)
    pictures = digits()[:2, np.newaxis].astype(np.float32) / np.float32(255)
    expected = torchscript.predictor(laid_out)(pictures)
    for name, convolves in (("cnn", True), ("lenet5", True), ("mlp", False)):
        predict = open_engine(Settings()).predictor(open_version(RELEASE, name, committed(name)))
        assert np.allclose(predict(pictures[:1]), expected[:1], atol=1e-4) == convolves
        assert not np.allclose(predict(pictures), expected, atol=1e-4)


def test_without_torch_the_release_is_served() -> None:
    """Where torch cannot be imported the engine onnx loads all models and the gate, and answers a posted digit."""
    with serving(RELEASE, command=serve_without("torch"), engine="onnx") as running:
        assert httpx.get(f"{running.url}/health").json()["state"] == "ready", "".join(running.output)
        file = encoded(Image.fromarray(digits()[0]))
        answer = httpx.post(f"{running.url}/predict", files={"file": file}).json()
        assert (answer["label"], len(answer["votes"]), answer["missing"]) == (labels()[0], 3, [])


@pytest.mark.parametrize(
    ("engine", "module", "extra"), [("onnx", "onnxruntime", "digitvote[onnx]"), ("torch", "torch", "digitvote[serve]")]
)
def test_an_engine_that_is_not_installed_ends_the_start(engine: str, module: str, extra: str) -> None:
    """The process says in one line what to install, and exits 2."""
    done = subprocess.run(
        serve_without(module),
        cwd=ROOT,
        env={"DIGITVOTE_ENGINE": engine},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert done.stderr.startswith(f"DIGITVOTE_ENGINE='{engine}': {module} is not installed; pip install '{extra}'")
    assert done.stderr.count("\n") == 1


def test_cuda_that_onnxruntime_lacks_is_refused() -> None:
    """Asking for a GPU of an onnxruntime built without CUDA is an error that names the build that has it."""
    with pytest.raises(SettingsError, match="onnxruntime-gpu is"):
        open_engine(Settings(engine="onnx", device="cuda"))


def test_a_version_without_a_graph_is_served_by_torch_alone(tmp_path: Path) -> None:
    """What was published before there was model.onnx votes with torch; with onnx the reason says how to add it."""
    publish_model(tmp_path, "mlp", Linear(0))
    assert load_version(tmp_path, "mlp", 1, open_engine(Settings()), 8)
    with pytest.raises(LoadError, match="python -m trainer onnx FOLDER/mlp/1, or set DIGITVOTE_ENGINE=torch"):
        load_version(tmp_path, "mlp", 1, open_engine(Settings(engine="onnx")), 8)


@pytest.mark.parametrize("file", ["model.onnx", "model.pt"])
def test_altered_bytes_are_not_run(tmp_path: Path, file: str) -> None:
    """A graph, or weights, of another sha256 than the manifest's are refused before onnxruntime sees them."""
    shutil.copytree(RELEASE / "lenet5", tmp_path / "lenet5")
    version = committed("lenet5")
    path = store.version_path(tmp_path, "lenet5", version) / file
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(LoadError, match=f"{file}: sha256 is"):
        load_version(tmp_path, "lenet5", version, open_engine(Settings(engine="onnx")), 8)


def test_files_are_read_once(tmp_path: Path) -> None:
    """A model is run from the bytes that were verified: what becomes of its files afterwards changes nothing."""
    shutil.copytree(RELEASE / "lenet5", tmp_path / "lenet5")
    artifact = open_version(tmp_path, "lenet5", committed("lenet5"))
    shutil.rmtree(tmp_path / "lenet5")
    artifact.golden.check(open_engine(Settings(engine="onnx")).predictor(artifact))
