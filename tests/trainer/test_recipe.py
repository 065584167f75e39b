"""Recipes are refused by key, before anything is trained."""

import tomllib
from pathlib import Path

import pytest

from tests.trainer.conftest import OTHER, TINY, process
from trainer import models, recipe
from trainer.errors import TrainerError


@pytest.mark.parametrize("name", recipe.shipped())
def test_shipped(name: str) -> None:
    """A shipped recipe is sound, bears its file's name, opens with its command, and keeps the limits on size."""
    found = recipe.read(name)
    assert found.name == name
    first = (recipe.SHIPPED / f"{name}.toml").read_text().splitlines()[0]
    assert first == f"# python -m trainer {'gate' if found.outliers else 'train'} --recipe {name}"
    for model, settings in found.models.items():
        if settings.architecture.kind == "published":  # whose own recipe is held to them
            continue
        module = models.folded(settings.architecture.build())
        assert models.parameters(module) <= {"mlp": 2_500_000, "cnn": 2_500_000, "lenet5": 61_706}[model]
        assert models.multiply_adds(module) <= 15_000_000


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "learning_rate = 0.03",
            "lerning_rate = 0.03",
            "cnn.optimiser.lerning_rate: unknown key; allowed: name, learning",
        ),
        ("[models.cnn]", "[models.cmm]", "models.cmm: unknown key; allowed: mlp, cnn, lenet5"),
        ("seed = 1", "sead = 1", "sead: unknown key; allowed: name, seed"),
        ("widths = [64]", "hidden = 3", "models.mlp.architecture.hidden: unknown key; allowed: kind, widths"),
        (
            "widths = [64]",
            'widths = ["w"]',
            "models.mlp.architecture.widths.0: input should be a valid integer, not 'w'",
        ),
        ("widths = [64]", "widths = []", "models.mlp.architecture.widths: list should have at least 1 item"),
        ('kind = "mlp"', 'kind = "resnet"', "models.mlp.architecture: .*'resnet'.*'mlp', 'cnn', 'lenet5'"),
        ('kind = "lenet5"', 'kind = "mlp", widths = [3]', "models.lenet5.architecture.kind: mlp is no kind of lenet5"),
        (", learning_rate = 0.03", "", "models.cnn.optimiser.learning_rate: field required"),
        ("learning_rate = 0.03", "learning_rate = 0", "models.cnn.optimiser.learning_rate: .*greater than 0, not 0"),
        ("learning_rate = 0.03", "learning_rate = true", "cnn.optimiser.learning_rate: .*valid number, not True"),
        ("epochs = 12", "epochs = 0", "models.lenet5.epochs: .*greater than or equal to 1, not 0"),
        ("epochs = 12", 'epochs = "12"', "models.lenet5.epochs: .*valid integer, not '12'"),
        ('name = "sgd"', 'name = "lion"', "models.mlp.optimiser.name: .*'sgd', 'adam' or 'adamw', not 'lion'"),
        ("rotation = 5", "rotation = -5", "models.lenet5.augmentation.rotation: .*greater than or equal to 0"),
        ("target = 0.5", "target = 99.5", "models.lenet5.target: .*less than or equal to 1, not 99.5"),
        ('name = "sgd"', 'name = "sgd", loss = 1', "models.mlp.optimiser.loss: unknown key"),
        ("loss = { ", 'loss = { name = "hinge", ', "mlp.loss.name: .*'cross_entropy' or 'one_hot_squared_error', not"),
        ("rotation = 5", "flip = 2", "models.lenet5.augmentation.flip: .*less than or equal to 1, not 2"),
        ("seed = 1", "sampling = { fraction = 0 }", "sampling.fraction: .*greater than 0, not 0"),
        ("seed = 1", "sampling = { balanced = 0 }", "sampling.balanced: .*greater than or equal to 1, not 0"),
        ("seed = 1", "sampling = { share = 1 }", "sampling.share: unknown key; allowed: fraction, balanced, per_class"),
        ("seed = 1", "sampling = { per_class = [1, 2] }", "sampling.per_class: list should have at least 10 items"),
        (
            "seed = 1",
            f"sampling = {{ per_class = {[0] * 10} }}",
            "sampling.per_class: asks for fewer than two pictures",
        ),
        ("seed = 1", "sampling = { fraction = 0.5, balanced = 3 }", "sampling: give one of fraction, balanced and"),
        ("seed = 1", "seed = ", "not TOML"),
        ("epochs = 8", "epochs = 8\nteacher = { model = 3 }", "models.mlp.teacher.model: .*'cnn' or 'lenet5', not 3"),
        ("epochs = 8", "epochs = 8\nteacher = { }", "models.mlp.teacher: give one of model and versions"),
        ("epochs = 8", 'epochs = 8\nteacher = { model = "cnn", versions = ["a/cnn/1"] }', "mlp.teacher: give one of"),
        (
            "epochs = 8",
            'epochs = 8\nteacher = { model = "mlp" }',
            "mlp.teacher.model: mlp cannot teach mlp; .*: lenet5, cnn",
        ),
        (
            "epochs = 8",
            'epochs = 8\nteacher = { modle = "cnn" }',
            "mlp.teacher.modle: unknown key; allowed: model, versions",
        ),
        (
            "epochs = 8",
            'epochs = 8\nteacher = { model = "cnn", weight = 1.5 }',
            "mlp.teacher.weight: .*equal to 1, not 1.5",
        ),
        (
            "epochs = 8",
            'epochs = 8\nteacher = { model = "cnn", temperature = 0 }',
            "teacher.temperature: .*than 0, not 0",
        ),
        (
            "epochs = 8",
            f'epochs = 8\nteacher = {{ model = "cnn", sha256 = ["{"0" * 64}"] }}',
            "mlp.teacher.sha256: give one of each version",
        ),
    ],
)
def test_refused_by_key(tmp_path: Path, old: str, new: str, message: str) -> None:
    """An unknown key, a wrong type or an impossible value is named with its dotted key and what is allowed."""
    text = TINY.read_text()
    assert old in text
    path = tmp_path / "spoilt.toml"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(TrainerError, match=message) as caught:
        recipe.read(str(path))
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_command_exits_2(tmp_path: Path) -> None:
    """The real command says it in one line, with status 2, and trains nothing."""
    path = tmp_path / "spoilt.toml"
    path.write_text(TINY.read_text().replace("learning_rate", "lerning_rate"))
    done = process("train", "--recipe", path, *OTHER, "--artifacts", tmp_path / "a", "--runs", tmp_path / "r")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "models.lenet5.optimiser.lerning_rate: unknown key" in done.stderr
    assert not (tmp_path / "r").exists()


def test_absent() -> None:
    """An absent recipe is an error that lists the shipped ones."""
    with pytest.raises(TrainerError, match=r"nowhere: No such file .*quick, release"):
        recipe.read("nowhere")


def test_seed_is_replaced() -> None:
    """A seed from the command line stands in the resolved recipe."""
    assert recipe.read(str(TINY), seed=7).seed == 7
    assert tomllib.loads(TINY.read_text())["seed"] == 1
