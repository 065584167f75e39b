"""Looking at the data before training on it: class counts, and digits as they are above what training sees of them."""

import numpy as np
import torch
from numpy.typing import NDArray

from trainer import canvas, sampling, strokes
from trainer.augment import Augment
from trainer.evaluate import Labels
from trainer.mnist import Mnist
from trainer.recipe import Recipe

_DRAWS = 2


def counts(mnist: Mnist, recipe: Recipe) -> dict[str, NDArray[np.int64]]:
    """Pictures of each label, [10], by part: training as the recipe samples it, drawn digits, validation and test."""
    training, validation = sampling.parts(mnist.training_labels, recipe)
    parts = {
        "training": mnist.training_labels[training.numpy()],
        "drawn": strokes.draw(recipe.drawn, recipe.seed)[1],
        "validation": mnist.training_labels[validation.numpy()],
        "test": mnist.test_labels,
        **{f"test of {one.source}": one.labels for one in mnist.further},
    }
    return {name: np.bincount(labels, minlength=10) for name, labels in parts.items() if len(labels)}


def grid(mnist: Mnist, recipe: Recipe) -> bytes:
    """A PNG of the first training digit of each label, drawn ones, and two draws of each model's augmentation."""
    raw = _first(mnist.training_pictures, mnist.training_labels)
    pictures = torch.from_numpy(raw)[:, None].float() / 255
    generator = torch.Generator().manual_seed(recipe.seed)
    rows = {"as it is": raw}
    if recipe.drawn:
        rows["drawn"] = _first(*strokes.draw(recipe.drawn, recipe.seed))
    for name, settings in recipe.models.items():
        augment = Augment(settings.augmentation, generator)
        for draw in range(_DRAWS if settings.augmentation.any else 1):
            drawn = augment(pictures)[:, 0].mul(255).round().clamp(0, 255)
            rows[f"{name}, draw {draw + 1}"] = drawn.byte().numpy()
    data = "MNIST" if mnist.source == "mnist" else mnist.source
    return canvas.rows(f"{data}, and what recipe {recipe.name} trains on", rows)


def _first(pictures: Labels, labels: Labels) -> Labels:
    """The first picture of each label."""
    return pictures[[int(np.flatnonzero(labels == label)[0]) for label in np.unique(labels)]]
