"""What a worker has at hand, and how long one more request would wait."""

import time
from collections import deque
from collections.abc import Callable

_SECONDS = 0.5  # what was answered longer ago says nothing of now


class Load:
    """Counts requests whose bodies have come: one that is still being sent keeps nobody waiting."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.at_hand = 0
        self._clock = clock
        self._busy_since = 0.0
        self._ends: deque[float] = deque(maxlen=10_000)

    def begin(self) -> None:
        """A request's body has come."""
        if not self.at_hand:
            self._busy_since = self._clock()
            self._ends.clear()  # at leisure it was asked for less than it can do
        self.at_hand += 1

    def end(self) -> None:
        """It was answered."""
        self.at_hand -= 1
        self._ends.append(self._clock())

    def wait(self) -> float:
        """Seconds that one more would be expected to wait, at the rate since it last was idle, or of late."""
        now = self._clock()
        since = max(self._busy_since, now - _SECONDS)
        while self._ends and self._ends[0] < since:
            self._ends.popleft()
        return self.at_hand * (now - since) / max(1, len(self._ends))
