"""Samples of the training pictures."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.trainer.conftest import DATA, OTHER, TINY, cli
from trainer import mnist, recipe, sampling, strokes
from trainer.errors import TrainerError
from trainer.recipe import Sampling

LABELS = np.random.default_rng(0).permutation(np.repeat(np.arange(10, dtype=np.uint8), np.arange(50, 150, 10)))


def _counts(way: Sampling, seed: int = 1) -> list[int]:
    chosen = sampling.sample(LABELS, way, seed)
    assert len(set(chosen.tolist())) == len(chosen)
    return [int(count) for count in np.bincount(LABELS[chosen], minlength=10)]


def test_counts() -> None:
    """Each way of sampling gives the counts it says, and none takes all."""
    assert _counts(Sampling()) == list(range(50, 150, 10))
    assert _counts(Sampling(fraction=0.1)) == list(range(5, 15))
    assert _counts(Sampling(fraction=1e-6)) == [1] * 10
    assert _counts(Sampling(balanced=50)) == [50] * 10
    assert _counts(Sampling(per_class=[0, 60, 1, 0, 0, 0, 0, 0, 0, 140])) == [0, 60, 1, 0, 0, 0, 0, 0, 0, 140]


def test_seed() -> None:
    """The seed decides which pictures."""
    first, again, other = (sampling.sample(LABELS, Sampling(balanced=9), seed).tolist() for seed in (1, 1, 2))
    assert first == again
    assert first != other


@pytest.mark.parametrize(
    ("way", "message"),
    [
        (Sampling(balanced=51), "balanced: 51 of each label, .* holds 50 of label 0; allowed: 1 to 50"),
        (Sampling(per_class=[1] * 9 + [141]), r"per_class\.9: 141, .* holds 140 of label 9; allowed: 0 to 140"),
    ],
)
def test_more_than_a_class_holds(way: Sampling, message: str) -> None:
    """A sample larger than a class is refused by its key, with what is allowed."""
    with pytest.raises(TrainerError, match=message):
        sampling.sample(LABELS, way, 1)


def test_drawn() -> None:
    """Drawn digits join the training part on the recipe's seed, whole as it was; none is in the validation part."""
    plain = recipe.read(str(TINY))
    images = mnist.load(DATA, other=True)
    device = torch.device("cpu")
    alone, held, _ = sampling.split(images, plain, device)
    joined, still, _ = sampling.split(images, plain.model_copy(update={"drawn": 20}), device)
    pictures, labels = strokes.draw(20, plain.seed)
    assert torch.equal(joined.pictures[: len(alone)], alone.pictures)
    assert torch.equal(joined.pictures[len(alone) :], torch.from_numpy(pictures))
    assert joined.labels[len(alone) :].tolist() == labels.tolist()
    assert torch.equal(still.pictures, held.pictures)


def test_validation_is_not_sampled() -> None:
    """The validation part stays whole and apart, so that figures of samples can be compared."""
    plain = recipe.read(str(TINY))
    some = plain.model_copy(update={"sampling": Sampling(balanced=5)})
    labels = LABELS
    training, validation = sampling.parts(labels, some)
    assert validation.tolist() == sampling.parts(labels, plain)[1].tolist()
    assert len(training) == 50
    assert not set(training.tolist()) & set(validation.tolist())


def test_refused_before_training(tmp_path: Path) -> None:
    """The real command refuses a sample larger than a class with status 2, and trains nothing."""
    path = tmp_path / "much.toml"
    path.write_text(TINY.read_text().replace("seed = 1", "sampling = { balanced = 31 }"))
    done = cli("train", "--recipe", path, *OTHER, "--artifacts", tmp_path / "a", "--runs", tmp_path / "r")
    assert done.returncode == 2
    assert "sampling.balanced: 31 of each label, but the training part holds 30 of label 0" in done.stderr
    assert not list((tmp_path / "r").iterdir())
