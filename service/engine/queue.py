"""The one bounded queue of pictures that wait for a batch."""

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field

from registry.rules import Floats
from service.errors import Busy
from service.vote import Outcome


@dataclass(frozen=True)
class Counted:
    """A picture's outcome, and the batch it came out of."""

    outcome: Outcome
    queue_seconds: float
    inference_seconds: float
    batch_size: int
    taken: float = 0.0  # when its batch began, by `perf_counter`
    vote_seconds: float = 0.0  # of the inference's, those in which the batch's votes were counted


@dataclass(frozen=True, eq=False)
class Item:
    """A picture [1, 28, 28] that waits, and the future that its caller awaits."""

    picture: Floats
    future: asyncio.Future[Counted]
    queued: float = field(default_factory=time.perf_counter)


class Queue:
    """First in, first out; filled from the event loop, emptied from there or by the batcher's thread."""

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self._items: deque[Item] = deque()  # whose append and popleft are atomic

    def __len__(self) -> int:
        return len(self._items)

    def put(self, picture: Floats) -> asyncio.Future[Counted]:
        """Add a picture [1, 28, 28]; the future is its result.

        Raises:
            Busy: if the queue is full.
        """
        if len(self._items) >= self._bound:
            raise Busy
        item = Item(picture, asyncio.get_running_loop().create_future())
        self._items.append(item)
        return item.future

    def forget(self) -> None:
        """Drop what nobody awaits any more; not while another thread takes."""
        self._items = deque(item for item in self._items if not item.future.done())

    def take(self, most: int) -> list[Item]:
        """All that is there, up to `most`; what nobody awaits any more is dropped, and counts for none."""
        taken: list[Item] = []
        while self._items and len(taken) < most:
            item = self._items.popleft()
            if not item.future.done():
                taken.append(item)
        return taken
