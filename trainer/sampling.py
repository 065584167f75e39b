"""Which pictures a recipe trains on and which it chooses by."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainer import data, strokes
from trainer.data import Examples
from trainer.errors import TrainerError
from trainer.mnist import Mnist
from trainer.recipe import Recipe, Sampling


def parts(labels: NDArray[np.uint8], recipe: Recipe) -> tuple[Tensor, Tensor]:
    """Indices of the training part, sampled as the recipe says, and of the whole validation part.

    Raises:
        TrainerError: naming the recipe's key, if a part would be empty or the sample is larger than a class.
    """
    training, validation = data.split(labels, recipe.validation, recipe.seed)
    chosen = sample(labels[training.numpy()], recipe.sampling, recipe.seed)
    return training[torch.from_numpy(chosen)], validation


def split(mnist: Mnist, recipe: Recipe, device: torch.device) -> tuple[Examples, Examples, Tensor]:
    """The training part, with the recipe's drawn digits, and the validation part on a device; the latter's indices.

    Raises:
        TrainerError: as `parts` does, or if the recipe is a gate's.
    """
    if recipe.outliers:
        raise TrainerError("recipe: outliers: are a gate's; train it with python -m trainer gate")
    pictures = data.examples(mnist.training_pictures, mnist.training_labels, device)
    training, validation = parts(mnist.training_labels, recipe)
    drawn = data.examples(*strokes.draw(recipe.drawn, recipe.seed), device)
    return pictures.take(training.to(device)) + drawn, pictures.take(validation.to(device)), validation


def sample(labels: NDArray[np.uint8], sampling: Sampling, seed: int) -> NDArray[np.int64]:
    """Indices, ascending, of a sample drawn by a seed from pictures with these labels.

    Raises:
        TrainerError: if more pictures of a label are asked for than there are.
    """
    held = np.bincount(labels, minlength=10)
    wanted = _wanted(held, sampling)
    random = np.random.default_rng(seed)
    drawn = [random.permutation(np.flatnonzero(labels == label))[: wanted[label]] for label in range(10)]
    return np.sort(np.concatenate(drawn))


def _wanted(held: NDArray[np.int64], sampling: Sampling) -> NDArray[np.int64]:
    """How many pictures of each label, [10], of those that are held, [10]."""
    if sampling.fraction is not None:
        return np.minimum(held, np.maximum(1, np.round(held * sampling.fraction))).astype(np.int64)
    if sampling.balanced is not None:
        least = int(held.argmin())
        if sampling.balanced > held[least]:
            raise TrainerError(
                f"recipe: sampling.balanced: {sampling.balanced} of each label, but the training part holds "
                f"{held[least]} of label {least}; allowed: 1 to {held[least]}"
            )
        return np.full(10, sampling.balanced)
    if sampling.per_class is not None:
        for label, count in enumerate(sampling.per_class):
            if count > held[label]:
                raise TrainerError(
                    f"recipe: sampling.per_class.{label}: {count}, but the training part holds {held[label]} "
                    f"of label {label}; allowed: 0 to {held[label]}"
                )
        return np.array(sampling.per_class)
    return held
