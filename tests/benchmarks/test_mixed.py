from benchmarks.load import Outcome
from benchmarks.mixed import row


def test_the_ratio_is_of_the_same_round() -> None:
    """Each round's p99 is held against the p99 alone of that round, and the median is told with its range."""
    alone = [Outcome(1, 100, 0, 1, p99) for p99 in (10, 20, 40)]
    beside = [Outcome(1, 50, 1, 2, p99) for p99 in (20, 60, 40)]
    assert row("both", beside, alone) == "| both | 50 | 2.00 | 40.00 | 2.00 (1.00 to 3.00) | 3 |"
    assert row("small", alone, alone) == "| small | 100 | 1.00 | 20.00 |  | 0 |"
