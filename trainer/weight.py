"""A model's weight in the vote, from its errors on distorted validation pictures."""

import numpy as np
import torch

from registry import torchscript
from trainer import evaluate
from trainer.augment import Augment
from trainer.evaluate import Labels
from trainer.recipe import Augmentation

# The same for every recipe, so that weights stay comparable: what the release's CNN is trained on.
_DISTORTION = Augmentation(
    rotation=15, scaling=0.2, shift=2, shear=10, elastic=0.6, smoothness=3.5,
    stroke=0.8, blur=1.2, contrast=0.7, noise=0.2, specks=0.04, share=0.1,
)  # fmt: skip
_DRAWS = 5
_CHUNK = 1000  # strokes are widened at four times the size, which takes much memory


def distorted(pictures: Labels, truth: Labels) -> tuple[Labels, Labels]:
    """Five seeded draws of distorted copies of pictures [N, 28, 28], [5 N, 28, 28], and their labels [5 N]."""
    augment = Augment(_DISTORTION, torch.Generator().manual_seed(0))
    scaled = torch.from_numpy(pictures)[:, None].float() / 255
    chunks = [
        augment(scaled[start : start + _CHUNK])[:, 0].clamp(0, 1).mul(255).round().byte()
        for _ in range(_DRAWS)
        for start in range(0, len(pictures), _CHUNK)
    ]
    return torch.cat(chunks).numpy(), np.tile(truth, _DRAWS)


def measure(model: bytes, pictures: Labels, truth: Labels) -> float:
    """The weight of what `model.pt` holds, by what it makes of pictures that `distorted` gave, with their labels.

    On clean validation pictures good models make twenty errors: chance then decides which of two votes louder.
    """
    predict = torchscript.predictor(torchscript.optimize(torchscript.load(model)))
    errors = int((evaluate.answer(predict, pictures).argmax(1) != truth).sum())
    return evaluate.vote_weight(errors, len(truth))
