"""A whole run by the real command: what it prints, publishes, and refuses to publish."""

import errno
import io
import json
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

import pytest
import torch
from google.protobuf import text_format
from PIL import Image
from rich.console import Console
from tritonclient.grpc import model_config_pb2

from registry import store, torchscript
from registry.manifest import Manifest
from registry.open import open_version
from registry.publish import publish
from tests.trainer.conftest import OTHER, ROOT, TINY, TinyRun, cli, environment
from trainer import job, loop, mnist, recipe, sampling
from trainer.corrupt import CORRUPTIONS, UNSEEN
from trainer.errors import TrainerError
from trainer.progress import Progress
from trainer.recipe import Name

MODELS = ("lenet5", "mlp", "cnn")


def test_output(tiny_run: TinyRun) -> None:
    """Where no one watches, output is plain lines without control codes: one an epoch, then figures and places."""
    lines = tiny_run.output.splitlines()
    epochs = [line for line in lines if " epoch " in line]
    assert len(epochs) == 12 + 8 + 12
    shape = r"\w+ +epoch +\d+/\d+  training loss [\d.]+ accuracy [\d.]+%  validation loss [\d.]+ accuracy [\d.]+%"
    assert all(re.fullmatch(shape, line) for line in epochs)
    assert not re.search(r"[\x00-\x09\x0b-\x1f]", tiny_run.output)
    assert sum(line.startswith("vote: ") for line in lines) == 3
    assert [line for line in lines if line.startswith("published ")] == [
        f"published {tiny_run.artifacts / model / '1'}" for model in MODELS
    ]


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
    errors = round(100 * (1 - manifest.metrics["validation"].accuracy))
    assert manifest.weight == pytest.approx((1.02 / (1 + errors)) ** 2)


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
    for name in ("curves", "confusion", "mistakes", "corruptions"):
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


def test_next_version(tiny_run: TinyRun, tmp_path: Path) -> None:
    """A run of one model publishes the next version of that model alone, and says so of its vote."""
    done = cli(
        "train", "--recipe", TINY, *OTHER, "--model", "mlp", "--seed", 5,
        "--artifacts", tiny_run.artifacts, "--runs", tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert store.versions(tiny_run.artifacts, "mlp") == [1, 2]
    assert store.versions(tiny_run.artifacts, "cnn") == [1]
    manifest = store.manifest(tiny_run.artifacts, "mlp", 2)
    assert manifest.recipe["seed"] == 5
    assert manifest.sha256 != store.manifest(tiny_run.artifacts, "mlp", 1).sha256
    assert (tmp_path / "tiny-5" / "mlp.ckpt").exists()


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


def test_target_missed(tmp_path: Path) -> None:
    """A run that ends below a target names model, figure and target, exits 1, and publishes none of its models."""
    high = tmp_path / "high.toml"
    high.write_text(TINY.read_text().replace("target = 0.5\nepochs = 8", "target = 0.999\nepochs = 8"))
    done = cli(
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
        patched.setattr(job, "publish", full)
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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["evaluate", "resnet=1"], "resnet=1: .* holds cnn, lenet5, mlp"),
        (["evaluate", "cnn=99"], "no such version; published are: 1"),
        (["evaluate", "cnn=newest"], "cnn=newest: give MODEL=VERSION, like cnn=1"),
        (["train", "--model", "resnet", "--recipe", str(TINY)], "--model resnet: recipe tiny has lenet5, mlp, cnn"),
        (["train", "--device", "tpu", "--recipe", str(TINY)], "--device tpu: give cpu, cuda or auto"),
        pytest.param(
            ["train", "--device", "cuda", "--recipe", str(TINY)],
            "--device cuda: torch finds no CUDA device here",
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA device is at hand"),
        ),
    ],
)
def test_bad_input(tiny_run: TinyRun, arguments: list[str], message: str) -> None:
    """Bad input is one line on stderr and status 2."""
    done = cli(*arguments, *OTHER, "--artifacts", tiny_run.artifacts)
    assert done.returncode == 2
    assert re.search(message, done.stderr)
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("option", ["--runs", "--artifacts"])
def test_unwritable(tmp_path: Path, option: str) -> None:
    """A folder that cannot be written is told before any training, not after it."""
    (tmp_path / "file").touch()
    folders = {"--runs": tmp_path / "runs", "--artifacts": tmp_path / "artifacts", option: tmp_path / "file" / "folder"}
    done = cli("train", "--recipe", TINY, *OTHER, *(word for pair in folders.items() for word in pair))
    assert done.returncode == 2
    assert done.stderr == f"error: {tmp_path}/file/folder: cannot be written: Not a directory\n"
    assert " epoch " not in done.stdout


def test_models(tiny_run: TinyRun, tmp_path: Path) -> None:
    """`models` lists what is published; an empty folder is said to be empty."""
    done = cli("models", "--artifacts", tiny_run.artifacts)
    assert re.search(r"lenet5 +1 +61,706 ", done.stdout)
    assert "holds no version yet" in cli("models", "--artifacts", tmp_path).stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupt(tmp_path: Path, number: int) -> None:
    """Ctrl-C, or the SIGTERM of a container that is stopped, ends with status 130 and the command that goes on."""
    long = tmp_path / "long recipe.toml"
    long.write_text(TINY.read_text().replace("epochs = 12", "epochs = 2000"))
    places = ["--artifacts", str(tmp_path / "artifacts"), "--runs", str(tmp_path / "runs")]
    command = ["python", "-m", "trainer", "train", "--recipe", str(long), *OTHER, *places]
    for first in (1, 3):  # the second time by the very command that the first printed
        ended, stderr, status = _interrupted(command, number)
        assert ended[0] == first
        assert status == 130
        state = torch.load(tmp_path / "runs" / "tiny-1" / "lenet5.ckpt", weights_only=True)
        assert [epoch["epoch"] for epoch in state["history"]] == list(range(1, len(state["history"]) + 1))
        assert len(state["history"]) >= ended[-1]  # its line comes once the epoch is on the disk
        told = re.fullmatch(r"stopped; go on from the last whole epoch with: (.*--resume)\n", stderr)
        assert told, stderr
        command = shlex.split(told[1])
    assert not store.models(tmp_path / "artifacts")


def _interrupted(command: list[str], number: int) -> tuple[list[int], str, int]:
    """The epochs that ended, stderr and the status of a training that gets a signal after two epochs."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    ended: list[int] = []
    with subprocess.Popen(
        [sys.executable, *command[1:]],
        cwd=ROOT,
        env=environment(),
        text=True,
        **pipes,  # type: ignore[call-overload]
    ) as child:
        for line in child.stdout:
            if epoch := re.search(r"epoch +(\d+)/2000", line):
                ended.append(int(epoch[1]))
            if len(ended) == 2:
                child.send_signal(number)
        stderr = child.stderr.read()
    return ended, stderr, child.returncode


_PUBLISH = """
import os, sys, time
from pathlib import Path
from registry import publish, store

root, stop = Path(sys.argv[1]), int(sys.argv[2])
folder = store.version_path(root, "mlp", 1)
files = {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
del files["manifest.json"]
draft = store.manifest(root, "mlp", 1)
(root / "mlp" / "config.pbtxt").unlink()
calls = 0

def stalling(real):
    def call(*arguments, **named):
        global calls
        calls += 1
        if calls == stop:
            print("stalled", flush=True)
            time.sleep(60)
        return real(*arguments, **named)
    return call

for name in ("fsync", "rename", "replace"):
    setattr(os, name, stalling(getattr(os, name)))
publish.publish(root, draft, files)
print("published", flush=True)
time.sleep(60)
"""


@pytest.fixture
def one_version(tiny_run: TinyRun, tmp_path: Path) -> Path:
    """Artifacts that hold one version of the MLP."""
    import shutil

    source = tiny_run.artifacts / "mlp"
    shutil.copytree(source / "1", tmp_path / "mlp" / "1")
    shutil.copy(source / store.CONFIG_FILE, tmp_path / "mlp")
    return tmp_path


@pytest.mark.parametrize("stop", [1, 2, 3, 6, 9, 10, 11, 12, 13, 14, 99])
def test_kill_during_publish(one_version: Path, stop: int) -> None:
    """Killed with -9 in any call that writes or renames, a publish leaves no new version or a whole one."""
    command = [sys.executable, "-c", _PUBLISH, str(one_version), str(stop)]
    with subprocess.Popen(command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout
        word = child.stdout.readline().strip()
        child.send_signal(signal.SIGKILL)
    found = store.versions(one_version, "mlp")
    assert found in ([1], [1, 2])
    assert word in ("stalled", "published")
    if word == "published":
        assert found == [1, 2]
    for version in found:
        open_version(one_version, "mlp", version)
