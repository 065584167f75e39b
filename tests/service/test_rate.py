import pytest

from service import rate
from service.rate import Buckets


class Clock:
    """A clock that is set by hand."""

    now = 1000.0

    def __call__(self) -> float:
        """The time that was set."""
        return self.now


def test_a_burst_passes_and_then_the_rate() -> None:
    """After a rest as many pass as the burst, then one each 1/rate seconds; what is left and when is told."""
    clock = Clock()
    buckets = Buckets(2, 3, clock)
    grants = [buckets.take("a") for _ in range(5)]
    assert [grant.allowed for grant in grants] == [True, True, True, False, False]
    assert [grant.left for grant in grants] == [2, 1, 0, 0, 0]
    assert (grants[3].next_seconds, grants[3].full_seconds) == (1, 2)
    clock.now += 0.5
    assert [buckets.take("a").allowed for _ in range(2)] == [True, False]
    clock.now += 60
    assert [buckets.take("a").allowed for _ in range(4)] == [True, True, True, False]


def test_senders_have_buckets_of_their_own() -> None:
    """What one has used up another has."""
    buckets = Buckets(0.001, 1, Clock())
    assert [buckets.take(who).allowed for who in "abab"] == [True, True, False, False]


def test_a_slow_rate_is_waited_for_in_whole_seconds() -> None:
    """With one in 100 seconds the next is 100 seconds away, and so is a full bucket."""
    buckets = Buckets(0.01, 1, Clock())
    buckets.take("a")
    assert buckets.take("a") == rate.Grant(allowed=False, left=0, next_seconds=100, full_seconds=100)
    assert buckets.window == 100


def test_only_so_many_senders_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has not asked for longest is forgotten first: who goes on asking stays refused."""
    monkeypatch.setattr(rate, "MOST", 3)
    buckets = Buckets(0.001, 1, Clock())
    for who in ("a", "b", "c", "a", "d", "e"):
        buckets.take(who)
    assert len(buckets) == 3
    assert not buckets.take("a").allowed
    assert buckets.take("b").allowed
