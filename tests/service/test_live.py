import pytest

from service.live import TRAINING_LABELS, stability, wilson


@pytest.mark.parametrize(
    ("right", "answers", "low", "high"),
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (81, 263, 0.2553, 0.3662), (1, 1, 0.2065, 1.0)],
)
def test_wilsons_interval(right: int, answers: int, low: float, high: float) -> None:
    """The ends are those that are printed for these shares (Newcombe 1998), and never outside 0 to 1."""
    assert wilson(right, answers) == pytest.approx((low, high), abs=1e-4)


def test_labels_as_the_training_set_s_have_no_drift() -> None:
    """Counts in the reference's shares give nearly 0, whatever their number; one label alone gives much."""
    assert stability(TRAINING_LABELS) == pytest.approx(0, abs=1e-9)
    assert stability([count // 10 for count in TRAINING_LABELS]) < 0.001
    assert stability([0] * 7 + [1000, 0, 0]) > 5


def test_the_index_is_the_sum_of_both_divergences() -> None:
    """Of two labels it is (p - q) ln(p / q) for each, added up."""
    assert stability([300_000, 700_000], [500_000, 500_000]) == pytest.approx(0.2 * 0.8473, abs=1e-4)
