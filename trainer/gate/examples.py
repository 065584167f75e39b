"""What a gate learns from: digits, written and drawn, against as many kinds of outliers as can be drawn."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from trainer import data, outliers, sampling, strokes
from trainer.augment import Augment
from trainer.data import Examples
from trainer.layout import Bytes
from trainer.mnist import Mnist
from trainer.recipe import Augmentation, Recipe

OTHER, DIGIT = 0, 1  # indices into registry.manifest.GATE_LABELS

_COARSE = 0.15  # the share of the pictures, of both sides, that is made coarse
_GRIDS = range(11, 19)  # pixels a side of a coarse picture's 28


@dataclass(frozen=True)
class Held:
    """Validation's pictures [N, 28, 28] by source: of digits, and of outliers by kind; none is trained on."""

    digits: dict[str, Bytes]
    others: dict[str, Bytes]

    @property
    def pictures(self) -> Bytes:
        """All of them, digits first [N, 28, 28]."""
        return np.concatenate([*self.digits.values(), *self.others.values()])

    @property
    def sides(self) -> Bytes:
        """Of each picture OTHER or DIGIT [N]."""
        counts = [sum(map(len, side.values())) for side in (self.digits, self.others)]
        return np.repeat(np.array([DIGIT, OTHER], np.uint8), counts)

    def examples(self, device: torch.device) -> Examples:
        """All of them with their sides."""
        return data.examples(self.pictures, self.sides, device)


def training(mnist: Mnist, recipe: Recipe, outputs: int, device: torch.device) -> Examples:
    """The recipe's training digits and drawn digits, against its outliers made of them.

    Outliers are labelled OTHER, and digits DIGIT onwards, each apart if the network has so many outputs.

    Raises:
        TrainerError: naming the recipe's key, if a part would be empty or the sample is larger than a class.
    """
    chosen = sampling.parts(mnist.training_labels, recipe)[0].numpy()
    written, labels = mnist.training_pictures[chosen], mnist.training_labels[chosen]
    drawn, drawn_labels = strokes.draw(recipe.drawn, recipe.seed)
    digits = coarsened(np.concatenate([written, drawn]), recipe.seed)
    which = np.minimum(DIGIT + np.concatenate([labels, drawn_labels]), outputs - 1)
    others, _ = outliers.draw(recipe.outliers, recipe.seed, written, labels)
    return data.examples(
        np.concatenate([digits, coarsened(others, recipe.seed + 1)]),
        np.concatenate([which, np.full(len(others), OTHER)]).astype(np.uint8),
        device,
    )


def held(pictures: Bytes, labels: Bytes, seed: int, augmentation: Augmentation) -> Held:
    """Digits [N, 28, 28] with labels [N] as they are, distorted, coarse, and drawn by a seed; as many outliers."""
    distorted = Augment(augmentation, torch.Generator().manual_seed(seed))
    worse = (distorted(torch.from_numpy(pictures).unsqueeze(1).float() / 255) * 255).round().byte().squeeze(1).numpy()
    others, kinds = outliers.draw(len(pictures), seed, pictures, labels)
    return Held(
        {
            "clean": pictures,
            "distorted": worse,
            "drawn": strokes.draw(len(pictures) // 2, seed)[0],
            "coarse": coarsened(pictures[::5], seed, share=1),
        },
        {name: others[kinds == kind] for kind, name in enumerate(outliers.KINDS)},
    )


def coarsened(pictures: Bytes, seed: int, share: float = _COARSE) -> Bytes:
    """A copy of pictures [N, 28, 28], a share of them as if scanned in black and white at a few dots and enlarged."""
    generator = np.random.default_rng(seed)
    chosen = np.flatnonzero(generator.random(len(pictures)) < share)
    grids = generator.choice(_GRIDS, len(chosen))
    copy = pictures.copy()
    for grid in _GRIDS:
        where = chosen[grids == grid]
        if len(where):
            copy[where] = _at(torch.from_numpy(pictures[where]), grid).numpy()
    return copy


def _at(pictures: Tensor, grid: int) -> Tensor:
    few = F.interpolate(pictures.unsqueeze(1).float() / 255, (grid, grid), mode="area")
    bits = (few > 0.35).float()
    return (F.interpolate(bits, (28, 28), mode="bilinear") * 255).round().byte().squeeze(1)
