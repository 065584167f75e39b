"""Degradations: on their share of the pictures, as strong as asked for, repeatable, and within 0..1."""

import pytest
import torch
from torch import Tensor

from trainer.degrade import Degrade
from trainer.recipe import Augmentation

STRENGTHS = {"stroke": 1.0, "blur": 1.5, "contrast": 0.7, "noise": 0.25, "specks": 0.05}


def _degrade(seed: int = 1, **settings: float) -> Degrade:
    return Degrade(Augmentation(**settings), torch.Generator().manual_seed(seed))  # type: ignore[arg-type]


def _squares(count: int) -> Tensor:
    pictures = torch.zeros(count, 1, 28, 28)
    pictures[:, :, 9:19, 9:19] = 0.9
    return pictures


def _changed(out: Tensor) -> Tensor:
    return (out != _squares(len(out))).flatten(1).any(1)


@pytest.mark.parametrize("kind", STRENGTHS)
def test_share(kind: str) -> None:
    """Each kind changes its share of the pictures, to within the few whose draw came to nothing; the rest not a bit."""
    changed = _changed(_degrade(share=0.25, **{kind: STRENGTHS[kind]})(_squares(400)))
    assert 90 <= int(changed.sum()) <= 100


@pytest.mark.parametrize("kind", STRENGTHS)
def test_each_picture_is_drawn_alone(kind: str) -> None:
    """Copies of one picture come back different, none of them outside 0..1."""
    out = _degrade(share=1.0, **{kind: STRENGTHS[kind]})(_squares(16))
    assert len(torch.unique(out.flatten(1), dim=0)) >= 15
    assert out.min() >= 0
    assert out.max() <= 1


def test_input_is_left_alone() -> None:
    """What is degraded is a copy; without any kind the picture itself comes back."""
    pictures = _squares(8)
    _degrade(share=1.0, **STRENGTHS)(pictures)
    assert torch.equal(pictures, _squares(8))
    assert _degrade()(pictures) is pictures


def test_repeatable() -> None:
    """The generator alone decides."""
    first, second, other = (_degrade(seed, share=0.5, **STRENGTHS)(_squares(8)) for seed in (1, 1, 2))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def test_stroke() -> None:
    """A ten-pixel square gets up to one pixel wider on each side, or narrower, half of the pictures each way."""
    ink = _degrade(share=1.0, stroke=1.0)(_squares(400)).sum((1, 2, 3)) / 0.9
    assert 138 < ink.max() <= 144 + 1e-3
    assert 64 - 1e-3 <= ink.min() < 68
    assert 180 <= int((ink > 100).sum()) <= 200


def test_blur() -> None:
    """Blur keeps the ink and spreads it: its variance grows by that of the Gaussian, up to the sigma asked for."""
    out = _degrade(share=1.0, blur=2.0)(_squares(400))[:, 0]
    assert torch.allclose(out.sum((1, 2)), torch.tensor(90.0), rtol=1e-3)
    line = out.sum(1) / out.sum((1, 2))[:, None]
    spread = (line * (torch.arange(28.0) - 13.5).square()).sum(1) - 99 / 12
    assert 3.7 < spread.max() <= 4.05
    assert 0 <= spread.min() < 0.1


def test_contrast() -> None:
    """Ink keeps between all and the least share of its brightness."""
    brightest = _degrade(share=1.0, contrast=0.7)(_squares(400)).amax((1, 2, 3)) / 0.9
    assert 0.3 - 1e-6 <= brightest.min() < 0.32
    assert 0.98 < brightest.max() <= 1


def test_noise() -> None:
    """Noise has up to the deviation asked for; on black only its half above zero is seen."""
    out = _degrade(share=1.0, noise=0.2)(torch.zeros(400, 1, 28, 28))
    deviation = out.square().mean((1, 2, 3)).mul(2).sqrt()
    assert 0.19 < deviation.max() < 0.22


def test_specks() -> None:
    """Up to the share asked for turns black or white, half of it each."""
    out = _degrade(share=1.0, specks=0.2)(torch.full((400, 1, 28, 28), 0.5))
    black, white = (out == 0).float().mean((1, 2, 3)), (out == 1).float().mean((1, 2, 3))
    assert 0.09 < black.max() < 0.14
    assert 0.09 < white.max() < 0.14
