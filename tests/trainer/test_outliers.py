"""Outliers: repeatable, of every kind its share, laid out as MNIST is where a kind has ink, and no digit's twin."""

import numpy as np
import pytest

from tests.mnist import digits, labels
from trainer import outliers
from trainer.layout import Bytes
from trainer.outliers import KINDS, alphabet, mix, rendered, spoilt

COUNT = 1000
# Kinds that may fill the whole picture, as what is no ink on paper does, or be blank.
FILLING = {"clothes", "things", "textures", "specks", "turned"}


@pytest.fixture(scope="module")
def drawn() -> tuple[Bytes, Bytes]:
    """Pictures [COUNT, 28, 28] and their kinds. Not to be changed by tests."""
    return outliers.draw(COUNT, 1, digits(), labels())


def test_shapes(drawn: tuple[Bytes, Bytes]) -> None:
    """Pictures and kinds are bytes, as MNIST's pictures and labels are."""
    pictures, kinds = drawn
    assert pictures.shape == (COUNT, 28, 28)
    assert kinds.shape == (COUNT,)
    assert pictures.dtype == kinds.dtype == np.uint8


def test_repeatable(drawn: tuple[Bytes, Bytes]) -> None:
    """The seed alone decides, to the bit; another seed draws other pictures in another order."""
    again, other = (outliers.draw(COUNT, seed, digits(), labels()) for seed in (1, 2))
    for first, second, third in zip(drawn, again, other, strict=True):
        assert np.array_equal(first, second)
        assert not np.array_equal(first, third)


def test_every_kind_has_its_share(drawn: tuple[Bytes, Bytes]) -> None:
    """Each kind is drawn in its share to within one, and letters of all sorts are the largest part."""
    draws = outliers._draws(spoilt.Digits(digits(), labels()))
    shares = np.array([share for share, _ in draws.values()]) / sum(share for share, _ in draws.values())
    assert np.abs(np.bincount(drawn[1], minlength=len(KINDS)) - COUNT * shares).max() <= 1
    assert sum(share for name, share in zip(KINDS, shares, strict=True) if "letters" in name) > 0.35


@pytest.mark.parametrize("count", [0, 1, 7])
def test_few(count: int) -> None:
    """Any count is drawn, none too."""
    pictures, kinds = outliers.draw(count, 1, digits(), labels())
    assert pictures.shape == (count, 28, 28)
    assert kinds.shape == (count,)


@pytest.mark.parametrize("name", KINDS)
def test_varies(name: str, drawn: tuple[Bytes, Bytes]) -> None:
    """Hardly two pictures of a kind are the same, but for what is blank and for the same digit turned the same way."""
    pictures = drawn[0][drawn[1] == KINDS.index(name)]
    inked = pictures[pictures.any(axis=(1, 2))]
    assert len(inked) > len(pictures) / 2
    assert len(np.unique(inked, axis=0)) > 0.8 * len(inked)


@pytest.mark.parametrize("name", [name for name in KINDS if name not in FILLING])
def test_laid_out_as_mnist(name: str, drawn: tuple[Bytes, Bytes]) -> None:
    """The ink is fitted into 20x20 pixels, and its centre of mass lies at (14, 14) where there is room."""
    ink = drawn[0][drawn[1] == KINDS.index(name)].astype(np.float64)
    sides = [np.ptp(np.flatnonzero(picture.any(axis=axis))) + 1 for picture in ink for axis in (0, 1)]
    assert np.max(sides) <= 20
    places = np.arange(28)
    centres = np.stack([ink.sum(axis=2) @ places, ink.sum(axis=1) @ places]) / ink.sum(axis=(1, 2))
    assert np.mean(np.abs(centres - 14) < 0.51) > 0.85


@pytest.mark.parametrize("text", "0123456789OoIl|SsZz⑦½𝟘ΟоЗ𝐎𝒮ó°´")
def test_twins_are_not_rendered(text: str) -> None:
    """Neither digits nor what looks like one is rendered, nor a decorated or accented form of it."""
    assert not rendered._is_no_twin(text)


@pytest.mark.parametrize("group", rendered._LETTERS + rendered._SYMBOLS)
def test_every_group_has_glyphs(group: str) -> None:
    """Of each group at least a dozen glyphs are found in the fonts that come with Matplotlib."""
    fonts, texts = rendered._glyphs(group)
    assert len(fonts) == len(texts)
    assert len(set(texts)) > 12


def test_forms_differ() -> None:
    """No form is written twice among the letters, symbols and drawings."""
    forms = [*alphabet.LATIN, *alphabet.GREEK_CYRILLIC, *alphabet.SYMBOLS, *alphabet.DRAWINGS]
    assert len(set(forms)) == len(forms)


def test_only_what_leaves_no_digit_is_cut_and_turned() -> None:
    """Of a 1 and a 7 no part is kept, and what is a digit when turned is not."""
    assert not set("17") & set("".join(spoilt._CUTS.values()))
    for turn, turned in spoilt._TURNS:
        marked = turn(np.arange(4, dtype=np.uint8).reshape(2, 2))
        assert not np.array_equal(marked, [[0, 1], [2, 3]])
        assert not set("0168") & set(turned)


def test_largest_shape() -> None:
    """Of a mask the largest connected shape is kept, whole."""
    from trainer.outliers.textures import _largest

    mask = np.zeros((1, 8, 8), np.bool_)
    mask[0, 0, 1:7] = mask[0, 1:7, 1] = mask[0, 6, 1:7] = True
    kept = mask.copy()
    mask[0, 3:5, 4:6] = True
    assert np.array_equal(_largest(mask), kept)


def test_mixed_draws_each() -> None:
    """Each of several ways is used, and each picture is drawn by one of them."""
    draws = [lambda count, _, ink=ink: np.full((count, 28, 28), ink, np.uint8) for ink in (1, 2, 3)]
    pictures = mix.mixed(draws)(100, np.random.default_rng(1))
    assert set(pictures[:, 0, 0]) == {1, 2, 3}
    assert (pictures == pictures[:, :1, :1]).all()


def test_sheet() -> None:
    """The sheet of all kinds is a PNG, the same for the same seed."""
    first, again = (outliers.sheet(1, digits(), labels(), columns=1) for _ in range(2))
    assert first.startswith(b"\x89PNG")
    assert first == again
