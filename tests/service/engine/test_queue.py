import numpy as np
import pytest

from service.engine.queue import Queue
from service.errors import Busy

pytestmark = pytest.mark.anyio

PICTURE = np.zeros((1, 28, 28), dtype=np.float32)


async def test_all_that_waits_is_taken_in_order_up_to_the_cap() -> None:
    """A take empties the queue, first in first, and waits for nothing."""
    queue = Queue(10)
    futures = [queue.put(PICTURE) for _ in range(5)]
    first = queue.take(3)
    assert [item.future for item in first] == futures[:3]
    assert len(queue.take(3)) == 2
    assert not queue.take(3)


async def test_a_full_queue_refuses_at_once() -> None:
    """One picture more than the bound is Busy, and what waits is kept."""
    queue = Queue(2)
    queue.put(PICTURE)
    queue.put(PICTURE)
    with pytest.raises(Busy):
        queue.put(PICTURE)
    assert len(queue.take(64)) == 2


async def test_who_goes_away_frees_a_place() -> None:
    """A full queue that forgets those whose callers have gone takes another picture, behind those that wait."""
    queue = Queue(2)
    gone, kept = queue.put(PICTURE), queue.put(PICTURE)
    gone.cancel()
    queue.forget()
    new = queue.put(PICTURE)
    assert [item.future for item in queue.take(64)] == [kept, new]


async def test_what_nobody_awaits_is_dropped() -> None:
    """A picture whose caller went away never reaches a batch."""
    queue = Queue(10)
    gone, kept = queue.put(PICTURE), queue.put(PICTURE)
    gone.cancel()
    assert [item.future for item in queue.take(64)] == [kept]
