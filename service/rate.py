"""How often each sender may ask: a bucket of tokens for each, refilled at one rate."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

MOST = 10_000  # senders that are remembered: who has not asked for longest is forgotten, and may start afresh


@dataclass(frozen=True)
class Grant:
    """Whether a request may pass, what its sender has left, and whole seconds until the next and until all is back."""

    allowed: bool
    left: int
    next_seconds: int
    full_seconds: int


class Buckets:
    """Lets each sender pass `rate` times a second, and `burst` times at once after a rest."""

    def __init__(self, rate: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.rate = rate
        self.burst = burst
        self._clock = clock
        self._levels: dict[str, tuple[float, float]] = {}  # what was left, and when; who asked last stands last

    def __len__(self) -> int:
        return len(self._levels)

    def take(self, sender: str) -> Grant:
        """Take a token out of a sender's bucket, if one is there."""
        now = self._clock()
        level, then = self._levels.pop(sender, (float(self.burst), now))
        level = min(self.burst, level + (now - then) * self.rate)
        allowed = level >= 1
        level -= allowed
        self._levels[sender] = level, now
        if len(self._levels) > MOST:
            del self._levels[next(iter(self._levels))]
        return Grant(allowed, int(level), self._seconds(1 - level), self._seconds(self.burst - level))

    @property
    def window(self) -> int:
        """Whole seconds in which an empty bucket fills."""
        return self._seconds(self.burst)

    def _seconds(self, tokens: float) -> int:
        return max(0, math.ceil(tokens / self.rate))
