import asyncio

import numpy as np
import pytest

from service.engine.queue import Queue
from service.errors import Busy

pytestmark = pytest.mark.anyio

PICTURE = np.zeros((1, 28, 28), dtype=np.float32)


async def test_all_that_waits_is_taken_in_order_up_to_the_cap() -> None:
    """A take empties the queue, first in first, and never waits for more."""
    queue = Queue(10)
    futures = [queue.put(PICTURE) for _ in range(5)]
    first = await queue.take(3)
    assert [item.future for item in first] == futures[:3]
    assert len(await queue.take(3)) == 2
    assert len(queue) == 0


async def test_a_take_waits_for_the_first_picture() -> None:
    """An empty queue holds the taker until something comes."""
    queue = Queue(10)
    taking = asyncio.create_task(queue.take(64))
    await asyncio.sleep(0)
    assert not taking.done()
    queue.put(PICTURE)
    assert len(await taking) == 1


async def test_a_full_queue_refuses_at_once() -> None:
    """One picture more than the bound is Busy, and what waits is kept."""
    queue = Queue(2)
    queue.put(PICTURE)
    queue.put(PICTURE)
    with pytest.raises(Busy):
        queue.put(PICTURE)
    assert len(await queue.take(64)) == 2


async def test_what_nobody_awaits_is_dropped() -> None:
    """A picture whose caller went away never reaches a batch."""
    queue = Queue(10)
    gone, kept = queue.put(PICTURE), queue.put(PICTURE)
    gone.cancel()
    assert [item.future for item in await queue.take(64)] == [kept]
