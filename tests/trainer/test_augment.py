"""Distortions: each picture its own, repeatable, and none where none is asked for."""

import math

import pytest
import torch

from trainer.augment import Augment
from trainer.recipe import Augmentation

STRONG = Augmentation(rotation=20, scaling=0.2, shift=2, shear=10, elastic=1)
EACH = [
    Augmentation(rotation=20),
    Augmentation(scaling=0.3),
    Augmentation(shift=3),
    Augmentation(shear=20),
    Augmentation(elastic=1.5),
]


def _augment(settings: Augmentation, seed: int = 1) -> Augment:
    return Augment(settings, torch.Generator().manual_seed(seed))


def _square(count: int = 1) -> torch.Tensor:
    pictures = torch.zeros(count, 1, 28, 28)
    pictures[:, :, 9:19, 9:19] = 1
    return pictures


def test_identity() -> None:
    """At zero strength pictures come back as they are, bit for bit."""
    pictures = torch.rand(5, 1, 28, 28)
    assert torch.equal(_augment(Augmentation())(pictures), pictures)


@pytest.mark.parametrize("settings", EACH)
def test_vanishing_strength(settings: Augmentation) -> None:
    """Each distortion, made ever weaker, comes to the picture itself: the grid is the right one."""
    weak = Augmentation(**{k: v * 1e-5 for k, v in settings.model_dump().items() if v and k != "smoothness"})
    pictures = torch.rand(5, 1, 28, 28)
    assert torch.allclose(_augment(weak)(pictures), pictures, atol=1e-3)


@pytest.mark.parametrize("settings", [*EACH, STRONG])
def test_each_picture_is_drawn_alone(settings: Augmentation) -> None:
    """Sixteen copies of one picture come back as sixteen different ones."""
    out = _augment(settings)(_square(16)).flatten(1)
    assert len(torch.unique(out, dim=0)) == 16
    assert out.min() >= 0
    assert out.max() <= 1 + 1e-6


@pytest.mark.parametrize("settings", [*EACH, STRONG])
def test_repeatable(settings: Augmentation) -> None:
    """The generator alone decides: the same seed gives the same batch, another seed another."""
    pictures = _square(4)
    torch.manual_seed(0)
    first = _augment(settings)(pictures)
    torch.manual_seed(1)
    assert torch.equal(_augment(settings)(pictures), first)
    assert not torch.equal(_augment(settings, seed=2)(pictures), first)


def test_shift() -> None:
    """A shift moves the centre of mass by at most so many pixels, on each axis, and really that far."""
    out = _augment(Augmentation(shift=3))(_square(500))[:, 0]
    axis = torch.arange(28.0)
    for moved in (out.sum(1), out.sum(2)):
        centre = (moved * axis).sum(1) / moved.sum(1) - 13.5
        assert 2.8 < centre.max() <= 3.01
        assert -2.8 > centre.min() >= -3.01


def test_scaling() -> None:
    """A scaling changes the ink by between 1 / (1 + s)² and (1 + s)²."""
    ink = _augment(Augmentation(scaling=0.2))(_square(500)).sum((1, 2, 3)) / 100
    assert 1.35 < ink.max() <= 1.44 + 0.03
    assert 1 / 1.44 - 0.03 <= ink.min() < 0.75


def test_rotation() -> None:
    """A rotation turns a bar by at most so many degrees, and keeps its length."""
    bar = torch.zeros(500, 1, 28, 28)
    bar[:, :, 13:15, 4:24] = 1
    out = _augment(Augmentation(rotation=30))(bar)[:, 0]
    y, x = torch.meshgrid(torch.arange(28) - 13.5, torch.arange(28) - 13.5, indexing="ij")
    angles = 0.5 * torch.atan2((2 * x * y * out).sum((1, 2)), ((x * x - y * y) * out).sum((1, 2)))
    assert 28 < math.degrees(angles.max()) <= 30.5
    assert -28 > math.degrees(angles.min()) >= -30.5
    assert torch.allclose(out.sum((1, 2)), torch.tensor(40.0), rtol=0.05)


def test_flip() -> None:
    """A flip mirrors exactly its share of the pictures, each drawn alone, left to right."""
    pictures = torch.rand(1, 1, 28, 28).expand(400, 1, 28, 28)
    assert torch.allclose(_augment(Augmentation(flip=1))(pictures), pictures.flip(3), atol=1e-5)
    out = _augment(Augmentation(flip=0.3))(pictures)
    mirrored = (out - pictures.flip(3)).abs().amax((1, 2, 3)) < 1e-4
    kept = (out - pictures).abs().amax((1, 2, 3)) < 1e-4
    assert bool((mirrored ^ kept).all())
    assert 0.2 < mirrored.float().mean() < 0.4


def test_elastic_displacement() -> None:
    """The elastic field deviates by so many pixels everywhere, and neighbours move together (Simard 2003)."""
    field = _augment(Augmentation(elastic=1.5, smoothness=4))._displacement(2000) * 14
    deviation = field.std(0)
    assert torch.allclose(deviation, torch.full_like(deviation, 1.5), rtol=0.12)
    middle = field[:, 14, 14, 0]
    beside, far = (torch.corrcoef(torch.stack([middle, field[:, 14, at, 0]]))[0, 1] for at in (15, 27))
    assert beside > 0.97
    assert abs(far) < 0.2
