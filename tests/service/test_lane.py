import asyncio
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from service.ensemble import Ensemble
from service.lane import Lane
from service.settings import Settings

pytestmark = pytest.mark.anyio


def lane(**changes: Any) -> Lane:
    return Lane(Ensemble(Settings(artifacts=Path("none"), **changes)))


async def test_it_is_a_quarter_of_the_queue_wide() -> None:
    """No more than a quarter of the queue, nor than a batch, nor less than one."""
    assert lane(queue=80).width == 20
    assert lane(queue=800).width == 64
    assert lane(queue=3).width == 1


async def test_so_many_are_at_work_at_once_and_each_is_done() -> None:
    """Of 100 items at most the width is at work at a time, and each comes out once."""
    at_work, most = 0, 0

    async def work(item: int) -> int:
        nonlocal at_work, most
        at_work += 1
        most = max(most, at_work)
        await asyncio.sleep(0)
        at_work -= 1
        return item

    done = [each async for each in lane(queue=40).finished(work, list(range(100)))]
    assert sorted(done) == list(range(100))
    assert most == 10


async def test_closing_cancels_what_is_at_work_and_begins_no_more() -> None:
    """Once nobody takes what is done, items at work are cancelled and those that wait are left."""
    begun, cancelled = [], []

    async def work(item: int) -> int:
        begun.append(item)
        try:
            await asyncio.sleep(0 if item == 0 else 3600)
        except asyncio.CancelledError:
            cancelled.append(item)
            raise
        return item

    async with aclosing(lane(queue=16).finished(work, list(range(100)))) as finished:
        assert await anext(finished) == 0
    await asyncio.sleep(0)
    assert begun == [0, 1, 2, 3, 4]
    assert sorted(cancelled) == [1, 2, 3, 4]
