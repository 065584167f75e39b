"""Augmentation of whole batches on the tensor's device: each picture is drawn alone, all distortion one grid_sample."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from trainer.degrade import Degrade
from trainer.recipe import Augmentation

# Noise is drawn at control points this many pixels apart: far below the smoothness, so nothing is lost by it.
_SPACING = 3.5


class Augment:
    """Draws a random affine map and elastic field for each picture of a batch, resamples it once and degrades some.

    Args:
        settings: how strong each kind is; all zero leaves pictures as they are.
        generator: where randomness comes from; it must live on the pictures' device.
    """

    def __init__(self, settings: Augmentation, generator: torch.Generator) -> None:
        self.settings = settings
        self.generator = generator
        self._smooth = _smoothing(settings.smoothness).to(generator.device)
        self._degrade = Degrade(settings, generator)

    def __call__(self, pictures: Tensor) -> Tensor:
        """Copies of pictures [N, 1, 28, 28], float32; what comes in from outside the picture is black."""
        return self._degrade(self._distort(pictures))

    def _distort(self, pictures: Tensor) -> Tensor:
        if not self.settings.distorts:
            return pictures
        grid = F.affine_grid(self._affine(len(pictures)), list(pictures.shape), align_corners=False)
        if self.settings.elastic:
            grid = grid + self._displacement(len(pictures))
        return F.grid_sample(pictures, grid, align_corners=False)

    def _uniform(self, count: int, *shape: int) -> Tensor:
        return torch.rand(count, *shape, generator=self.generator, device=self.generator.device) * 2 - 1

    def _affine(self, count: int) -> Tensor:
        """Maps [N, 2, 3] from the distorted picture's coordinates, in -1..1, to the original's."""
        settings = self.settings
        angle = self._uniform(count) * math.radians(settings.rotation)
        shear = torch.tan(self._uniform(count) * math.radians(settings.shear))
        # Drawn as exponents: halving a picture is as likely as doubling it. Height and width each their own.
        zoom = torch.exp(self._uniform(count, 2) * math.log1p(settings.scaling))
        shift = self._uniform(count, 2) * (settings.shift * 2 / 28)
        cos, sin = torch.cos(angle), torch.sin(angle)
        horizontal = torch.stack([cos, shear * cos - sin], dim=1) * zoom
        vertical = torch.stack([sin, shear * sin + cos], dim=1) * zoom
        maps = torch.cat([torch.stack([horizontal, vertical], dim=1), shift[:, :, None]], dim=2)
        if settings.flip:
            mirrored = torch.rand(count, generator=self.generator, device=self.generator.device) < settings.flip
            maps[mirrored, 0] *= -1
        return maps

    def _displacement(self, count: int) -> Tensor:
        """A smooth random field [N, 28, 28, 2] in grid units; each value's deviation is `elastic` pixels.

        Source: Simard et al. 2003, "Best Practices for Convolutional Neural Networks". Smoothing by a Gaussian is two
        small matrix products, since a Gaussian is separable.
        """
        points = self._smooth.shape[1]
        noise = torch.randn(count, 2, points, points, generator=self.generator, device=self.generator.device)
        field = self._smooth @ noise @ self._smooth.T
        return field.permute(0, 2, 3, 1) * (self.settings.elastic * 2 / 28)


def _smoothing(smoothness: float) -> Tensor:
    """A matrix [28, points] that spreads noise at control points into a smooth line of unit variance."""
    margin = 2 * smoothness  # noise beyond the edge counts there as it does in the middle
    points = torch.arange(-margin, 28 + margin, min(_SPACING, smoothness))
    distance = torch.arange(28)[:, None] - points[None, :]
    weights = torch.exp(-distance.square() / (2 * smoothness**2))
    return weights / weights.square().sum(dim=1, keepdim=True).sqrt()
