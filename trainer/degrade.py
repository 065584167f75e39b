"""Degradation of whole batches: what pens, lenses and scanners do to a digit, each picture drawn alone."""

import torch
import torch.nn.functional as F
from torch import Tensor

from trainer.recipe import Augmentation


class Degrade:
    """Gives some pictures of a batch other strokes, blur, less contrast, noise or specks.

    Each kind falls on its own `share` of the batch, so most pictures stay clean and some are hit twice.

    Args:
        settings: how strong each kind is at most; all zero leaves pictures as they are.
        generator: where randomness comes from; it must live on the pictures' device.
    """

    def __init__(self, settings: Augmentation, generator: torch.Generator) -> None:
        self.settings = settings
        self.generator = generator
        # In the order in which they befall a digit: pen, lens, light, sensor.
        kinds = {"stroke": _stroke, "blur": _blur, "contrast": _contrast, "noise": self._noise, "specks": self._specks}
        strengths = {name: getattr(settings, name) for name in kinds}
        self._kinds = [(kind, strengths[name]) for name, kind in kinds.items() if strengths[name]]

    def __call__(self, pictures: Tensor) -> Tensor:
        """Copies of pictures [N, 1, 28, 28], float32 in 0..1, some of them degraded, in 0..1 again."""
        if not self._kinds:
            return pictures
        count = round(self.settings.share * len(pictures))
        pictures = pictures.clone()
        for kind, strength in self._kinds:
            # So many of a shuffled batch rather than each by a coin: no wait for the device to say how many.
            index = torch.randperm(len(pictures), generator=self.generator, device=pictures.device)[:count]
            amount = strength * torch.rand(count, 1, 1, 1, generator=self.generator, device=pictures.device)
            pictures[index] = kind(pictures[index], amount)
        return pictures.clamp_(0, 1)

    def _noise(self, pictures: Tensor, amount: Tensor) -> Tensor:
        """Gaussian noise of deviation `amount` of white."""
        return pictures + amount * torch.randn(pictures.shape, generator=self.generator, device=pictures.device)

    def _specks(self, pictures: Tensor, amount: Tensor) -> Tensor:
        """A share `amount` of the pixels turned black or white."""
        draw = torch.rand(pictures.shape, generator=self.generator, device=pictures.device)
        return torch.where(draw < amount / 2, 0.0, torch.where(draw > 1 - amount / 2, 1.0, pictures))


def _stroke(pictures: Tensor, amount: Tensor) -> Tensor:
    """Every other picture's strokes wider, the others' narrower, by `amount` pixels (at most one) on each side."""
    wide, narrow = pictures[::2], pictures[1::2]
    wider, narrower = F.max_pool2d(wide, 3, 1, 1), -F.max_pool2d(-narrow, 3, 1, 1)
    changed = torch.empty_like(pictures)
    changed[::2] = wide.lerp(wider, amount[::2])
    changed[1::2] = narrow.lerp(narrower, amount[1::2])
    return changed


def _blur(pictures: Tensor, amount: Tensor) -> Tensor:
    """A Gaussian of sigma `amount` pixels. It is separable, so it is a matrix product from each side."""
    axis = torch.arange(28.0, device=pictures.device)
    distance = (axis[:, None] - axis[None, :]).square()
    weights = torch.exp(-distance / (2 * amount.square()).clamp_min(1e-3))
    weights = weights / weights.sum(-1, keepdim=True)
    return weights @ pictures @ weights.mT


def _contrast(pictures: Tensor, amount: Tensor) -> Tensor:
    """Ink fainter by the share `amount`."""
    return pictures * (1 - amount)
