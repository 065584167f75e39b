"""Models that learn from others beside the labels."""

import io
import json
import re
import shutil
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console

from registry import store
from registry.manifest import GATE
from registry.open import open_version
from tests.support import RELEASE, committed
from tests.trainer.conftest import OTHER, TINY, TinyRun
from trainer import job, loop, mnist, models, recipe, reproduce, teacher, tune
from trainer.data import examples
from trainer.errors import TrainerError
from trainer.mnist import Mnist
from trainer.progress import Progress
from trainer.recipe import Recipe, Teaching
from trainer.teacher import Teacher

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def small() -> Mnist:
    """The tests' own data."""
    return mnist.load(Path(OTHER[1]), other=True)


def _taught(**changes: Any) -> Recipe:
    """The tiny recipe, two epochs a model, without targets, its MLP taught; `changes` are of the teaching."""
    found = recipe.read(str(TINY)).model_dump(mode="json")
    for settings in found["models"].values():
        settings |= {"epochs": 2, "target": 0}
    found["models"]["mlp"]["teacher"] = changes
    return recipe.check(found, "taught")


def _run(wanted: Recipe, images: Mnist, folder: Path, *, resume: bool = False) -> tuple[job.Published, str]:
    """A run of its MLP alone, and what it says."""
    said = io.StringIO()
    published = job.run(
        wanted, ["mlp"], images, folder / "artifacts", folder / "runs", Progress(Console(file=said)),
        device=CPU, resume=resume,
    )  # fmt: skip
    return published, said.getvalue()


def test_mixed_loss() -> None:
    """The loss is the labels' and, by weight, T² times the divergence from the teachers' mean, of the same pictures."""
    torch.manual_seed(0)
    networks = [models.MLP([8], 0.5) for _ in range(2)]
    pictures, logits = torch.rand(5, 1, 28, 28), torch.randn(5, 10, requires_grad=True)
    taught_by = Teacher(networks, Teaching(model="cnn", weight=0.25, temperature=3.0), CPU)
    loss = taught_by.mixed(torch.tensor(2.0), logits, pictures)

    def chances(scores: torch.Tensor) -> np.ndarray[Any, np.dtype[np.float64]]:
        powers = np.exp(scores.detach().double().numpy() / 3)
        softmax: np.ndarray[Any, np.dtype[np.float64]] = powers / powers.sum(1, keepdims=True)
        return softmax

    wanted = np.mean([chances(network(pictures)) for network in networks], axis=0)
    divergence = (wanted * np.log(wanted / chances(logits))).sum(1).mean()
    assert float(loss.detach()) == pytest.approx(0.75 * 2 + 0.25 * 9 * divergence, rel=1e-5)
    loss.backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    assert all(parameter.grad is None for network in networks for parameter in network.parameters())


def test_bfloat16() -> None:
    """A teacher's products are bfloat16 where the pupil's are, its probabilities float32."""
    network = models.MLP([8], 0.0)
    dtypes: list[torch.dtype] = []
    network.register_forward_hook(lambda _, __, logits: dtypes.append(logits.dtype))
    for bfloat16 in (False, True):
        taught_by = Teacher([network], Teaching(model="cnn"), CPU, bfloat16=bfloat16)
        assert taught_by.chances(torch.rand(3, 1, 28, 28)).dtype == torch.float32
    assert dtypes == [torch.float32, torch.bfloat16]


def test_refused() -> None:
    """Two models cannot teach each other, and a gate is not taught."""
    table = _taught(model="cnn").model_dump(mode="json")
    gate = {**table, "outliers": 9}
    table["models"]["cnn"]["teacher"] = {"model": "mlp"}
    for wrong, message in ((table, "teacher.model: mlp cannot teach cnn"), (gate, "mlp.teacher: a gate has none")):
        with pytest.raises(TrainerError, match=message):
            recipe.check(wrong, "wrong")


def test_order() -> None:
    """Each model follows its teacher, and no teacher comes twice; without teachers the order is the one given."""
    table = _taught(model="cnn").model_dump(mode="json")
    table["models"]["cnn"]["teacher"] = {"model": "lenet5"}
    chain = recipe.check(table, "chain")
    assert chain.in_order(["mlp", "lenet5"]) == ["lenet5", "cnn", "mlp"]
    assert recipe.read(str(TINY)).in_order(["mlp", "lenet5"]) == ["mlp", "lenet5"]


def test_recipe_comes_back() -> None:
    """A taught model's recipe is the same once written as TOML and read again."""
    wanted = _taught(versions=["artifacts/cnn/1"], weight=0.5)
    assert "versions" in recipe.dump(wanted)
    assert recipe.check(tomllib.loads(recipe.dump(wanted)), "again") == wanted


def test_taught_by_another_of_the_recipe(small: Mnist, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The teacher is trained first and not published; stopped or made again from its manifest, the same comes out."""
    wanted = _taught(model="cnn")
    whole, said = _run(wanted, small, tmp_path / "whole")
    assert re.findall(r"^(\w+) +epoch", said, re.MULTILINE) == ["cnn", "cnn", "mlp", "mlp"]
    assert store.models(tmp_path / "whole" / "artifacts") == ["mlp"]
    assert [one.name for one in whole.manifests] == ["mlp"]

    def stop(self: loop._Run, path: Path) -> None:
        save(self, path)
        if self.name == "mlp":
            raise KeyboardInterrupt

    save = loop._Run.save
    with monkeypatch.context() as patched:
        patched.setattr(loop._Run, "save", stop)
        with pytest.raises(KeyboardInterrupt):
            _run(wanted, small, tmp_path / "broken")
    _run(wanted, small, tmp_path / "broken", resume=True)
    original = reproduce.original(tmp_path / "whole" / "artifacts" / "mlp" / "1")
    reproduce.train(
        original, small, tmp_path / "again" / "artifacts", tmp_path / "again" / "runs",
        Progress(Console(file=io.StringIO())), device=CPU, resume=False,
    )  # fmt: skip
    first, *others = (
        open_version(tmp_path / folder / "artifacts", "mlp", 1).golden.logits for folder in ("whole", "broken", "again")
    )
    assert all(np.array_equal(first, other) for other in others)

    untaught = wanted.model_copy(update={"models": recipe.read(str(TINY)).models})
    with pytest.raises(TrainerError, match=r"made by another recipe .*\(it differs in epochs, teacher\)"):
        _run(untaught, small, tmp_path / "whole", resume=True)


def test_taught_by_versions(tiny_run: TinyRun, small: Mnist, tmp_path: Path) -> None:
    """The manifest holds the sha256 of the versions that taught; made again with others in their place is refused."""
    root = tmp_path / "teachers"
    for name in ("cnn", "lenet5"):
        shutil.copytree(tiny_run.artifacts / name / "1", root / name / "1")
    folders = [str(root / name / "1") for name in ("cnn", "lenet5")]
    published, said = _run(_taught(versions=folders), small, tmp_path)
    assert "was trained on" not in said  # the same seed has the same validation part
    (manifest,) = published.manifests
    digests = [store.manifest(root, name, 1).sha256 for name in ("cnn", "lenet5")]
    assert manifest.recipe["models"]["mlp"]["teacher"]["sha256"] == digests

    original = reproduce.original(tmp_path / "artifacts" / "mlp" / "1")
    shutil.rmtree(root / "lenet5")
    with pytest.raises(TrainerError, match=rf"mlp\.teacher\.versions: .*not a version's folder.* sha256 {digests[1]}"):
        _run(original.recipe, small, tmp_path / "again")
    shutil.copytree(tiny_run.artifacts / "cnn" / "1", root / "lenet5" / "1")
    changed = json.loads((root / "lenet5" / "1" / "manifest.json").read_text()) | {"name": "lenet5"}
    (root / "lenet5" / "1" / "manifest.json").write_text(json.dumps(changed))
    with pytest.raises(TrainerError, match=rf"lenet5/1: is another version; .* sha256 {digests[1]}"):
        _run(original.recipe, small, tmp_path / "again")


def test_validation_that_a_teacher_knows(tiny_run: TinyRun, small: Mnist) -> None:
    """A version that was trained on pictures which are now validation's is said to make its figures too good."""
    other = _taught(versions=[str(tiny_run.artifacts / "cnn" / "1")]).model_copy(update={"seed": 2})
    (line,) = teacher.leaks(other, ["mlp"], small)
    found = re.fullmatch(
        r"mlp    its teacher cnn 1 was trained on (\d+) of the 100 validation pictures: validation figures flatter",
        line,
    )
    assert found
    assert 0 < int(found[1]) <= 100


def test_gate_as_a_teacher() -> None:
    """A gate cannot teach digits."""
    folder = store.version_path(RELEASE, GATE, committed(GATE))
    with pytest.raises(TrainerError, match=r"teacher\.versions: .*gate/2: a gate tells no digits apart"):
        teacher.pinned(_taught(versions=[str(folder)]), ["mlp"])


def test_a_missing_teacher_is_not_passed_over(small: Mnist, tmp_path: Path) -> None:
    """A taught model is never trained without its teacher, nor searched for."""
    parts = [examples(small.test_pictures, small.test_labels, CPU)] * 2
    with pytest.raises(ValueError, match="taught if its recipe says so"):
        loop.train(_taught(model="cnn"), "mlp", parts[0], parts[1], tmp_path / "mlp.ckpt")
    with pytest.raises(TrainerError, match=r"models\.mlp\.teacher: tune searches without one"):
        tune.study(
            tune.Search(_taught(model="cnn"), "mlp", parts[0], parts[1], 1), "tried", f"sqlite:///{tmp_path}/tune.db"
        )


def test_diverged_teacher(small: Mnist, tmp_path: Path) -> None:
    """A model whose teacher's loss became no number is not trained, and nothing is published."""
    table = _taught(model="cnn").model_dump(mode="json")
    table["models"]["cnn"]["optimiser"] = {"name": "sgd", "learning_rate": 10, "weight_decay": 10}
    with pytest.raises(TrainerError, match=r"cnn: the loss is .*mlp: not trained, as its teacher cnn was not; nothing"):
        _run(recipe.check(table, "diverging"), small, tmp_path)
    assert not store.models(tmp_path / "artifacts")
