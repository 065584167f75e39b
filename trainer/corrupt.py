"""Corruptions after MNIST-C (Mu and Gilmer 2019), our own: what users' digits are like and MNIST's are not.

Each is seeded, so that every model is shown the same pictures; docs/training.md says what each does.
"""

import math
import random
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from trainer.evaluate import Labels

_CHUNK = 1000  # strokes are widened at four times the size, which takes much memory


def corrupt(name: str, pictures: Labels, seed: int = 0) -> Labels:
    """Corrupted copies of pictures [N, 28, 28], uint8; the name and the seed decide them."""
    generator = torch.Generator().manual_seed(random.Random(f"{seed} {name}").getrandbits(63))  # noqa: S311
    parts = []
    for start in range(0, len(pictures), _CHUNK):
        part = torch.from_numpy(pictures[start : start + _CHUNK])[:, None].float() / 255
        parts.append((CORRUPTIONS[name](part, generator)[:, 0].clamp(0, 1) * 255).round().byte())
    corrupted: Labels = torch.cat(parts).numpy()
    return corrupted


def _uniform(count: int, limit: float, generator: Generator) -> Tensor:
    return (torch.rand(count, generator=generator) * 2 - 1) * limit


def _warp(pictures: Tensor, maps: Tensor) -> Tensor:
    """Pictures resampled by maps [N, 2, 3] from the new picture's coordinates, in -1..1, to the old one's."""
    grid = F.affine_grid(maps, list(pictures.shape), align_corners=False)
    return F.grid_sample(pictures, grid, align_corners=False)


def _maps(xx: Tensor, xy: Tensor, yx: Tensor, yy: Tensor, shift: Tensor | None = None) -> Tensor:
    moved = torch.zeros(len(xx), 2) if shift is None else shift
    return torch.stack([torch.stack([xx, xy, moved[:, 0]], 1), torch.stack([yx, yy, moved[:, 1]], 1)], 1)


def _rotation(pictures: Tensor, generator: Generator) -> Tensor:
    angle = _uniform(len(pictures), math.radians(20), generator)
    return _warp(pictures, _maps(angle.cos(), -angle.sin(), angle.sin(), angle.cos()))


def _scale(pictures: Tensor, generator: Generator) -> Tensor:
    low, high = math.log(0.7), math.log(1.3)
    inverse = torch.exp(-(low + (high - low) * torch.rand(len(pictures), generator=generator)))
    none = torch.zeros(len(pictures))
    return _warp(pictures, _maps(inverse, none, none, inverse))


def _shear(pictures: Tensor, generator: Generator) -> Tensor:
    slant = torch.tan(_uniform(len(pictures), math.radians(20), generator))
    one, none = torch.ones(len(pictures)), torch.zeros(len(pictures))
    return _warp(pictures, _maps(one, slant, none, one))


def _shift(pictures: Tensor, generator: Generator) -> Tensor:
    one, none = torch.ones(len(pictures)), torch.zeros(len(pictures))
    moved = torch.stack([_uniform(len(pictures), 3 * 2 / 28, generator) for _ in range(2)], 1)
    return _warp(pictures, _maps(one, none, none, one, moved))


def _large(pictures: Tensor) -> Tensor:
    return F.interpolate(pictures, scale_factor=4, mode="bilinear", align_corners=False)


def _thin(pictures: Tensor, _: Generator) -> Tensor:
    return F.avg_pool2d(-F.max_pool2d(-_large(pictures), 5, stride=1, padding=2), 4)


def _thick(pictures: Tensor, _: Generator) -> Tensor:
    return F.avg_pool2d(F.max_pool2d(_large(pictures), 9, stride=1, padding=4), 4)


def _blur(pictures: Tensor, _: Generator) -> Tensor:
    line = torch.exp(-torch.arange(-4.0, 5).square() / (2 * 1.2**2))
    line = line / line.sum()
    return F.conv2d(
        F.conv2d(pictures, line[None, None, None], padding=(0, 4)), line[None, None, :, None], padding=(4, 0)
    )


def _noise(pictures: Tensor, generator: Generator) -> Tensor:
    return pictures + 0.2 * torch.randn(pictures.shape, generator=generator)


def _impulse(pictures: Tensor, generator: Generator) -> Tensor:
    draw = torch.rand(pictures.shape, generator=generator)
    return torch.where(draw < 0.02, 0.0, torch.where(draw > 0.98, 1.0, pictures))


def _contrast(pictures: Tensor, _: Generator) -> Tensor:
    return pictures * 0.3


def _motion(pictures: Tensor, generator: Generator) -> Tensor:
    angle = _uniform(len(pictures), math.pi / 2, generator)
    along = torch.stack([angle.cos(), angle.sin()], 1) * (2 / 28)
    one, none = torch.ones(len(pictures)), torch.zeros(len(pictures))
    return torch.stack([_warp(pictures, _maps(one, none, none, one, step * along)) for step in range(-2, 3)]).mean(0)


def _pixelate(pictures: Tensor, _: Generator) -> Tensor:
    return F.interpolate(F.avg_pool2d(pictures, 2), scale_factor=2, mode="nearest")


def _line(pictures: Tensor, generator: Generator) -> Tensor:
    angle, offset = (_uniform(len(pictures), limit, generator)[:, None, None] for limit in (math.pi / 2, 6))
    axis = torch.arange(28.0) - 13.5
    distance = (axis[None, None, :] * angle.sin() - axis[None, :, None] * angle.cos() - offset).abs()
    return torch.maximum(pictures, (1.4 - distance).clamp(0, 1)[:, None])


# Pictures [N, 1, 28, 28] in 0..1 to such pictures, which may leave 0..1.
CORRUPTIONS: dict[str, Callable[[Tensor, Generator], Tensor]] = {
    "rotation": _rotation,
    "scale": _scale,
    "shear": _shear,
    "shift": _shift,
    "thin": _thin,
    "thick": _thick,
    "blur": _blur,
    "noise": _noise,
    "impulse": _impulse,
    "contrast": _contrast,
    "motion": _motion,
    "pixelate": _pixelate,
    "line": _line,
}

# No recipe trains on anything like these: they say what the others, which are trained on, are worth elsewhere.
UNSEEN = ("motion", "pixelate", "line")
