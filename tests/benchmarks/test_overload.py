from benchmarks.client import Answer
from benchmarks.overload import CALM, parts, recovery, row


def _answers(begin: float, count: int, rate: float, took: float = 0.01, status: int = 200) -> list[Answer]:
    return [Answer(begin + number / rate, took, status, status == 200, 1, status == 503) for number in range(count)]


def test_answers_fall_into_phases_by_when_they_were_due() -> None:
    """Before, three thirds and after: none is lost or counted twice."""
    answers = _answers(0, 250, 50) + _answers(CALM[1], 3000, 1000) + _answers(CALM[1] + 3, 250, 50)
    assert [len(part) for part in parts(answers, 3).values()] == [250, 1000, 1000, 1000, 250]


def test_a_row_tells_accepted_and_refused_apart() -> None:
    """Rates, percentiles and the share of refusals with Retry-After; what is neither is other."""
    answers = _answers(0, 100, 50, 0.2) + _answers(0, 300, 50, 0.002, 503) + _answers(0, 1, 50, 10, 0)
    assert row("x", answers, 2) == "| x | 200 | 50 | 200.0 | 200.0 | 150 | 2.0 | 2.0 | 100% | 1 |"


def test_recovery_is_when_answers_are_soon_again() -> None:
    """It lasts until the last late or refused answer; never is None."""
    before = _answers(0, 100, 50)
    after = [*_answers(10, 5, 50, status=503), *_answers(10.1, 5, 50, took=0.5), *_answers(10.2, 90, 50)]
    assert recovery(before, after, 10) == 10.2 - 10
    assert recovery(before, _answers(10, 100, 50, took=0.5), 10) is None
