"""Whole runs: what they publish, refuse to publish, and go on with."""

import errno
import io
import re
import shutil
from pathlib import Path
from typing import IO, Any

import pytest
import torch
from rich.console import Console

from registry import store, versions
from registry.manifest import Manifest
from registry.open import open_version
from registry.publish import publish
from tests.trainer.conftest import MODELS, OTHER, TINY, TinyRun, cli, process
from trainer import job, loop, mnist, recipe, sampling
from trainer.errors import TrainerError
from trainer.progress import Progress
from trainer.recipe import Name


def test_next_version(tiny_run: TinyRun, tmp_path: Path) -> None:
    """A run of one model publishes the next version of that model alone, and says so of its vote."""
    artifacts = shutil.copytree(tiny_run.artifacts, tmp_path / "artifacts")
    places = ("--artifacts", artifacts, "--runs", tmp_path)
    done = cli("train", "--recipe", TINY, *OTHER, "--model", "mlp", "--seed", 5, *places)
    assert done.returncode == 0, done.stderr
    assert store.versions(artifacts, "mlp") == [1, 2]
    assert store.versions(artifacts, "cnn") == [1]
    manifest = store.manifest(artifacts, "mlp", 2)
    assert manifest.recipe["seed"] == 5
    assert manifest.sha256 != store.manifest(artifacts, "mlp", 1).sha256
    assert (tmp_path / "tiny-5" / "mlp.ckpt").exists()


def test_if_missing(tiny_run: TinyRun, tmp_path: Path) -> None:
    """With --if-missing nothing is trained where whole versions are; a damaged one counts as missing."""
    done = cli(
        "train", "--recipe", TINY, "--if-missing", "--artifacts", tiny_run.artifacts, "--data", tmp_path / "none"
    )
    assert done.returncode == 0, done.stderr
    assert "nothing to train" in done.stdout
    other = tmp_path / "artifacts"
    for model in MODELS:
        version = other / model / "1"
        version.mkdir(parents=True)
    done = cli("train", "--recipe", TINY, "--if-missing", "--artifacts", other, "--data", tmp_path / "none")
    assert done.returncode == 2
    assert "none: no such folder" in done.stderr


@pytest.mark.parametrize("option", ["--runs", "--artifacts"])
def test_unwritable(tmp_path: Path, option: str) -> None:
    """A folder that cannot be written is told before any training, not after it."""
    (tmp_path / "file").touch()
    folders = {"--runs": tmp_path / "runs", "--artifacts": tmp_path / "artifacts", option: tmp_path / "file" / "folder"}
    done = cli("train", "--recipe", TINY, *OTHER, *(word for pair in folders.items() for word in pair))
    assert done.returncode == 2
    assert done.stderr == f"error: {tmp_path}/file/folder: cannot be written: Not a directory\n"
    assert " epoch " not in done.stdout


def test_target_missed(tmp_path: Path) -> None:
    """A run that ends below a target names model, figure and target, exits 1, and publishes none of its models."""
    high = tmp_path / "high.toml"
    high.write_text(TINY.read_text().replace("target = 0.5\nepochs = 8", "target = 0.999\nepochs = 8"))
    done = process(
        "train", "--recipe", high, *OTHER, "--model", "mlp", "--model", "lenet5",
        "--artifacts", tmp_path / "artifacts", "--runs", tmp_path / "runs",
    )  # fmt: skip
    assert done.returncode == 1
    assert re.search(
        r"mlp: test accuracy [\d.]+% is below the recipe's target of 99\.90%; nothing was published", done.stderr
    )
    assert not store.models(tmp_path / "artifacts")


def _diverging(folder: Path, *, target: float = 0) -> Path:
    """The tiny recipe, short, with an MLP that grows without bound from its second epoch on."""
    path = folder / "diverging.toml"
    text = TINY.read_text().replace("target = 0.5", f"target = {target}").replace("epochs = 12", "epochs = 1")
    path.write_text(text.replace("learning_rate = 0.05,", "learning_rate = 1, weight_decay = 5,"))
    return path


def test_diverged(tmp_path: Path) -> None:
    """A loss that is no number stops its own model: the others are published, and a lower rate goes on with them."""
    path = _diverging(tmp_path)
    command = ("train", "--recipe", path, *OTHER, "--artifacts", tmp_path / "artifacts", "--runs", tmp_path / "runs")
    first = cli(*command, "--model", "mlp", "--model", "cnn")
    assert first.returncode == 1
    reason = r"mlp: the loss is nan in epoch 2 at learning rate 0\.\d+; lower models\.mlp\.optimiser\.learning_rate"
    assert re.search(f"^stopped: {reason}$", first.stdout, re.MULTILINE)
    assert re.fullmatch(
        f"error: {reason}, then go on with --resume, which keeps what the other models trained\n", first.stderr
    )
    assert f"published {tmp_path}/artifacts/cnn/1\n" in first.stdout
    assert store.models(tmp_path / "artifacts") == ["cnn"]
    open_version(tmp_path / "artifacts", "cnn", 1)
    kept = torch.load(tmp_path / "runs" / "tiny-1" / "mlp.diverged.ckpt", weights_only=True)
    assert [epoch["epoch"] for epoch in kept["history"]] == [1]

    path.write_text(path.read_text().replace("learning_rate = 1,", "learning_rate = 0.05,"))
    second = cli(*command, "--model", "mlp", "--model", "cnn", "--resume")
    assert second.returncode == 0, second.stderr
    assert "mlp    epoch 1/8" in second.stdout
    assert "cnn    its checkpoint is complete: not trained again" in second.stdout
    assert store.versions(tmp_path / "artifacts", "mlp") == [1]


def test_diverged_and_target_missed(tmp_path: Path) -> None:
    """Where another model misses its target too, nothing is published, and both are told in one line."""
    places = ("--artifacts", tmp_path / "artifacts", "--runs", tmp_path / "runs")
    done = cli(
        "train", "--recipe", _diverging(tmp_path, target=1), *OTHER, *places, "--model", "mlp", "--model", "lenet5"
    )
    assert done.returncode == 1
    shape = r"error: lenet5: test accuracy .*; nothing was published; mlp: the loss is nan in epoch 2 .*--resume.*\n"
    assert re.fullmatch(shape, done.stderr)
    assert not store.models(tmp_path / "artifacts")


def test_all_diverged(tmp_path: Path) -> None:
    """Where no model is left nothing is published, with status 1."""
    places = ("--artifacts", tmp_path / "artifacts", "--runs", tmp_path / "runs")
    done = cli("train", "--recipe", _diverging(tmp_path), *OTHER, *places, "--model", "mlp")
    assert done.returncode == 1
    assert re.fullmatch(r"error: mlp: the loss is nan in epoch 2 .*; nothing was published\n", done.stderr)
    assert not store.models(tmp_path / "artifacts")


@pytest.fixture(scope="module")
def small() -> mnist.Mnist:
    """The tests' own data."""
    return mnist.load(Path(OTHER[1]), other=True)


def _in_process(
    images: mnist.Mnist, folder: Path, *names: Name, output: IO[str] | None = None, **options: Any
) -> job.Published:
    """A run of the tiny recipe within this process, one epoch a model."""
    text = re.sub(r"epochs = \d+", "epochs = 1", TINY.read_text()).replace("target = 0.5", "target = 0")
    (folder / "short.toml").write_text(text)
    progress = Progress(Console(file=output or io.StringIO()))
    return job.run(
        recipe.read(str(folder / "short.toml")), names, images, folder / "artifacts", folder / "runs", progress,
        device=torch.device("cpu"), **options,
    )  # fmt: skip


@pytest.mark.parametrize("resume", [False, True])
def test_old_checkpoints(small: mnist.Mnist, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, resume: bool) -> None:
    """A run without --resume that is stopped at once leaves no older run's checkpoint for a later --resume to take."""
    checkpoints = [tmp_path / "runs" / "tiny-1" / f"{name}.ckpt" for name in ("mlp", "cnn")]
    checkpoints[0].parent.mkdir(parents=True)
    for checkpoint in checkpoints:
        checkpoint.touch()

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(loop, "train", stop)
    with pytest.raises(KeyboardInterrupt):
        _in_process(small, tmp_path, "mlp", "cnn", resume=resume)
    assert [checkpoint.exists() for checkpoint in checkpoints] == [resume, resume]


def test_old_checkpoints_outlive_bad_input(small: mnist.Mnist, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that is refused takes no older run's checkpoint away."""
    checkpoint = tmp_path / "runs" / "tiny-1" / "mlp.ckpt"
    checkpoint.parent.mkdir(parents=True)
    checkpoint.touch()

    def refuse(*_: object) -> None:
        raise TrainerError("recipe: sampling")

    monkeypatch.setattr(sampling, "split", refuse)
    with pytest.raises(TrainerError):
        _in_process(small, tmp_path, "mlp")
    assert checkpoint.exists()


def test_publishing_that_fails_half_way(small: mnist.Mnist, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each version is told of as it is published; the error names file, model and way on, which trains nothing."""
    told: list[Path] = []

    def full(root: Path, manifest: Manifest, files: dict[str, bytes]) -> Manifest:
        if manifest.name == "cnn":
            raise OSError(errno.ENOSPC, "No space left on device", "model.pt")
        return publish(root, manifest, files)

    with monkeypatch.context() as patched:
        patched.setattr(versions, "publish", full)
        with pytest.raises(OSError, match=r"No space left on device; cnn was not .* --resume .*: 'model\.pt'"):
            _in_process(small, tmp_path, "mlp", "cnn", on_published=told.append)
    assert told == [tmp_path / "artifacts" / "mlp" / "1"]
    monkeypatch.setattr(loop._Run, "epoch", None)
    _in_process(small, tmp_path, "mlp", "cnn", on_published=told.append, resume=True)
    assert told[1:] == [tmp_path / "artifacts" / "mlp" / "2", tmp_path / "artifacts" / "cnn" / "1"]


def test_origin(small: mnist.Mnist, tmp_path: Path) -> None:
    """A manifest names the origin that the weights' checkpoint holds, and a run says where it is another than now's."""
    _in_process(small, tmp_path, "mlp")
    checkpoint, output = tmp_path / "runs" / "tiny-1" / "mlp.ckpt", io.StringIO()
    begun = {"commit": "a" * 40, "torch": "2.0.0", "device": "cpu: abacus, 3 threads"}
    torch.save({**torch.load(checkpoint, weights_only=True), "origin": begun}, checkpoint)
    (manifest,) = _in_process(small, tmp_path, "mlp", output=output, resume=True).manifests
    assert manifest.model_dump(include=set(begun)) == begun
    (line,) = [line for line in output.getvalue().splitlines() if "begun elsewhere" in line]
    assert line.startswith(f"mlp    begun elsewhere, as its manifest will say: commit {'a' * 40}, now ")
    assert "; torch 2.0.0, now " in line
    assert "; device cpu: abacus, 3 threads, now cpu: " in line
