"""Drawn digits: repeatable, laid out as MNIST is, and no form so distorted that it becomes another digit."""

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.mnist import digits, labels
from trainer import pen, strokes
from trainer.strokes import FORMS, Form, draw, draw_form

COUNT = 1005
BY_NAME = {f"{form.label} {form.name}": form for form in FORMS}


@pytest.fixture(scope="module")
def drawn() -> tuple[strokes.Bytes, strokes.Bytes]:
    """Pictures [COUNT, 28, 28] and their labels. Not to be changed by tests."""
    return draw(COUNT, seed=1)


def test_shapes(drawn: tuple[strokes.Bytes, strokes.Bytes]) -> None:
    """Pictures and labels are what MNIST's are, bytes, and each picture has ink from black to nearly white."""
    pictures, truth = drawn
    assert pictures.shape == (COUNT, 28, 28)
    assert truth.shape == (COUNT,)
    assert pictures.dtype == truth.dtype == np.uint8
    assert pictures.min(axis=(1, 2)).max() == 0
    assert pictures.max(axis=(1, 2)).min() > 200


def test_repeatable(drawn: tuple[strokes.Bytes, strokes.Bytes]) -> None:
    """The seed alone decides, to the bit; another seed draws other pictures in another order."""
    again, other = draw(COUNT, seed=1), draw(COUNT, seed=2)
    for first, second, third in zip(drawn, again, other, strict=True):
        assert np.array_equal(first, second)
        assert not np.array_equal(first, third)


def test_each_picture_is_drawn_alone(drawn: tuple[strokes.Bytes, strokes.Bytes]) -> None:
    """No picture is drawn twice."""
    assert len(np.unique(drawn[0], axis=0)) == COUNT


def test_equal_shares(drawn: tuple[strokes.Bytes, strokes.Bytes]) -> None:
    """Every label is drawn as often as any other, to within one, in mixed order."""
    counts = np.bincount(drawn[1], minlength=10)
    assert counts.max() - counts.min() <= 1
    assert len(np.unique(drawn[1][:100])) == 10


def test_every_form_appears_by_weight() -> None:
    """Each form is drawn, in its share among the forms of its label."""
    truth = np.repeat(np.arange(10, dtype=np.uint8), 2000)
    chosen = strokes._choose(truth, np.random.default_rng(1))
    for index, form in enumerate(FORMS):
        share = form.weight / sum(other.weight for other in FORMS if other.label == form.label)
        assert set(truth[chosen == index]) == {form.label}
        assert np.mean(chosen[truth == form.label] == index) == pytest.approx(share, abs=0.04)


@pytest.mark.parametrize("count", [0, 1, 7])
def test_few(count: int) -> None:
    """Any count is drawn, none too."""
    pictures, truth = draw(count, seed=1)
    assert pictures.shape == (count, 28, 28)
    assert truth.shape == (count,)


@pytest.mark.parametrize("form", FORMS, ids=BY_NAME)
def test_laid_out_as_mnist(form: Form) -> None:
    """The longer side of the ink is 20 pixels, and its centre of mass lies at (14, 14), as MNIST's does."""
    ink = draw_form(form, 100, np.random.default_rng(1)).astype(np.float64)
    sides = np.stack([_extent(ink.max(axis=2)), _extent(ink.max(axis=1))]).max(axis=0)
    assert set(sides) <= {19, 20}
    places = np.arange(28)
    centres = np.stack([ink.sum(axis=2) @ places, ink.sum(axis=1) @ places]) / ink.sum(axis=(1, 2))
    assert np.abs(centres - 14).max() < 0.51


def _extent(lines: NDArray[np.float64]) -> NDArray[np.int64]:
    """Places from the first to the last of each line [N, 28] that holds ink."""
    extent: NDArray[np.int64] = 28 - (lines > 0).argmax(axis=1) - (lines[:, ::-1] > 0).argmax(axis=1)
    return extent


def test_as_much_ink_as_mnist(drawn: tuple[strokes.Bytes, strokes.Bytes]) -> None:
    """The ink is in the range of MNIST's for all but a few of the digits, and for the median of each label."""
    ink, real = drawn[0].sum(axis=(1, 2)), digits().sum(axis=(1, 2))
    assert np.mean((real.min() <= ink) & (ink <= real.max())) > 0.98
    for label in range(10):
        of_label = real[labels() == label]
        assert of_label.min() < np.median(ink[drawn[1] == label]) < of_label.max()


def test_edges_as_soft_as_mnist(drawn: tuple[strokes.Bytes, strokes.Bytes]) -> None:
    """As large a share of the inked pixels is gray as of MNIST's."""
    gray, real = (np.mean(pixels[pixels > 0] < 250) for pixels in (drawn[0], digits()))
    assert gray == pytest.approx(real, abs=0.05)


def test_ones_and_sevens_stay_apart() -> None:
    """A one's flag always rises by more than 25 degrees and is shorter than the stem; a seven's bar is level."""
    for name in ("short flag", "long flag", "flag half the stem long", "flag and foot"):
        angle, share = _top(BY_NAME[f"1 {name}"], 0)
        assert angle.min() > 25
        assert share.max() < 1
    for name, bar in (("plain", 0), ("hooked", 1), ("crossed", 0), ("crossed, hooked and curved", 1)):
        assert np.abs(_top(BY_NAME[f"7 {name}"], bar)[0]).max() < 18


def _top(form: Form, first: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How many degrees the line from one point to the next rises, and its length beside the line that follows it."""
    points = pen.jitter(pen.path(form.strokes).points, 2000, np.random.default_rng(1)).astype(np.float64)
    line, following = (points[:, at + 1] - points[:, at] for at in (first, first + 1))
    return np.degrees(np.arctan2(-line[:, 1], line[:, 0])), np.hypot(*line.T) / np.hypot(*following.T)


def test_curves_go_through_their_points() -> None:
    """Wherever the points of a form lie, its strokes pass through each of them."""
    for form in FORMS:
        path = pen.path(form.strokes)
        points = pen.jitter(path.points, 1, np.random.default_rng(1))[0]
        samples = path.basis @ points
        nearest = np.abs(samples[:, None] - points).max(axis=2).min(axis=0)
        assert nearest.max() < 4  # a sample lies within half a step


def test_corners_are_sharp() -> None:
    """Between two corners a stroke is straight, and it reaches the corner itself."""
    path = pen.path(("0,0 50,0! 20,100",))
    x, y = (path.basis @ path.points).T
    assert np.minimum(np.abs(y), np.abs(x - 50 + 0.3 * y)).max() < 1e-3
    assert np.hypot(x - 50, y).min() < 1e-3


def test_pen_is_lifted_between_strokes() -> None:
    """Between the end of a stroke and the start of the next there is no ink."""
    apart = Form(0, "test", 1, ("0,0 0,100", "60,0 60,100"))
    picture = draw_form(apart, 1, np.random.default_rng(1))[0]
    assert (picture[14] > 0).any()
    assert picture[:, 13:15].max() == 0


def test_sheet() -> None:
    """The sheet of some forms is a PNG, the same for the same seed."""
    first, again = (strokes.sheet(1, columns=2, forms=FORMS[:2]) for _ in range(2))
    assert first.startswith(b"\x89PNG")
    assert first == again
