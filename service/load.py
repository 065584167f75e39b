"""What a worker has at hand, and how long one request more would wait."""

import time
from collections import deque
from collections.abc import Callable

_SECONDS = 0.5  # what was answered longer ago says nothing of now


class Load:
    """Counts requests whose bodies have come: one that is still being sent keeps nobody waiting."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.at_hand = 0
        self._clock = clock
        self._ends: deque[float] = deque(maxlen=10_000)

    def begin(self) -> None:
        """A request's body has come."""
        self.at_hand += 1

    def end(self) -> None:
        """It was answered."""
        self.at_hand -= 1
        self._ends.append(self._clock())

    def wait(self) -> float:
        """Seconds that one more would be expected to wait, at the rate of late; 0 where none was answered of late."""
        now = self._clock()
        while self._ends and self._ends[0] < now - _SECONDS:
            self._ends.popleft()
        return self.at_hand * _SECONDS / len(self._ends) if self._ends else 0.0
