"""What a test waits by: until something holds, never for a time."""

import time
from collections.abc import Callable


def until(
    holds: Callable[[], object], otherwise: str = "it did not come to hold in time", seconds: float = 120
) -> None:
    """Wait for what must come to hold, which a busy machine may take its time for."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, otherwise
        time.sleep(0.05)
