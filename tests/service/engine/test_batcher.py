import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import numpy as np
import pytest

from registry.rules import Floats
from service.engine.batcher import Batcher
from service.engine.queue import Queue
from service.vote import Outcome

pytestmark = pytest.mark.anyio


def picture(value: float) -> Floats:
    return np.full((1, 28, 28), value, dtype=np.float32)


def outcomes(batch: Floats) -> list[Outcome]:
    """An outcome that carries its own picture's value as the confidence."""
    return [Outcome(0, float(row.flat[0]), 1.0, (), ()) for row in batch]


@asynccontextmanager
async def running(count: Callable[[Floats], list[Outcome]], most: int = 64) -> AsyncIterator[tuple[Queue, Batcher]]:
    queue = Queue(1000)
    batcher = Batcher(queue, count, most)
    batcher.start()
    yield queue, batcher
    await batcher.stop()


async def test_pictures_that_gather_while_the_device_is_busy_share_a_batch() -> None:
    """While one batch runs the rest gathers, is taken together, and each picture gets its own outcome."""
    free = threading.Event()
    sizes: list[int] = []

    def slow(batch: Floats) -> list[Outcome]:
        free.wait(10)
        sizes.append(len(batch))
        return outcomes(batch)

    async with running(slow, most=16) as (queue, _):
        first = queue.put(picture(0))
        await asyncio.sleep(0.01)
        others = [queue.put(picture(value)) for value in range(1, 41)]
        free.set()
        counted = await asyncio.gather(first, *others)
    assert sizes == [1, 16, 16, 8]
    assert [one.outcome.confidence for one in counted] == list(range(41))
    assert [one.batch_size for one in counted] == [1] + [16] * 32 + [8] * 8


async def test_a_lone_picture_does_not_wait_for_company() -> None:
    """With a free device a picture is a batch of its own."""
    async with running(outcomes) as (queue, _):
        assert (await queue.put(picture(1))).batch_size == 1


async def test_an_error_reaches_its_batch_and_no_other() -> None:
    """A batch that raises fails its own callers; the batcher lives on."""

    def fragile(batch: Floats) -> list[Outcome]:
        if batch[0].flat[0] == 13:
            raise RuntimeError("poison")
        return outcomes(batch)

    async with running(fragile) as (queue, batcher):
        with pytest.raises(RuntimeError, match="poison"):
            await queue.put(picture(13))
        assert (await queue.put(picture(1))).outcome.confidence == 1
        assert batcher.alive


async def test_a_stopped_batcher_is_not_alive() -> None:
    """After stop no batch is taken any more, and health can see it."""
    async with running(outcomes) as (_, batcher):
        assert batcher.alive
    assert not batcher.alive
