import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import numpy as np
import pytest

from registry.rules import Floats
from service.engine.batcher import Batcher
from service.engine.engine import DeviceLost
from service.engine.queue import Counted, Queue
from service.errors import Busy, NotReady
from service.vote import Outcome

pytestmark = pytest.mark.anyio


def picture(value: float) -> Floats:
    return np.full((1, 28, 28), value, dtype=np.float32)


def outcomes(batch: Floats) -> list[Outcome]:
    """An outcome that carries its own picture's value as the confidence."""
    return [Outcome(0, float(row.flat[0]), 1.0, (), ()) for row in batch]


@asynccontextmanager
async def running(count: Callable[[Floats], list[Outcome]], most: int = 64) -> AsyncIterator[Batcher]:
    batcher = Batcher(Queue(1000), count, most)
    batcher.start()
    yield batcher
    batcher.stop()


async def test_pictures_that_gather_while_the_device_is_busy_share_a_batch() -> None:
    """While one batch runs the rest gathers, is taken together, and each picture gets its own outcome."""
    busy, free = threading.Event(), threading.Event()
    sizes: list[int] = []

    def slow(batch: Floats) -> list[Outcome]:
        busy.set()
        free.wait(10)
        sizes.append(len(batch))
        return outcomes(batch)

    async with running(slow, most=16) as batcher:
        first = [batcher.put(picture(value)) for value in range(2)]
        await asyncio.to_thread(busy.wait, 10)
        others = [batcher.put(picture(value)) for value in range(2, 42)]
        free.set()
        counted = await asyncio.gather(*first, *others)
    assert sizes == [2, 16, 16, 8]
    assert [one.outcome.confidence for one in counted] == list(range(42))
    assert [one.batch_size for one in counted] == [2] * 2 + [16] * 32 + [8] * 8


async def test_the_thread_goes_on_with_what_has_come_without_the_event_loop() -> None:
    """However long the event loop is held, what was queued before is run meanwhile, batch after batch."""
    busy, free, done = threading.Event(), threading.Event(), threading.Event()

    def slow(batch: Floats) -> list[Outcome]:
        busy.set()
        free.wait(10)
        if len(batch) == 3:
            done.set()
        return outcomes(batch)

    async with running(slow) as batcher:
        first = [batcher.put(picture(value)) for value in range(2)]
        await asyncio.to_thread(busy.wait, 10)
        others = [batcher.put(picture(value)) for value in range(3)]
        free.set()
        assert done.wait(10), "the second batch waited for the event loop"
        await asyncio.gather(*first, *others)


async def test_a_picture_alone_runs_on_the_event_loop_where_that_is_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lone picture is not handed to the thread, several are, and a lone one is too once it takes long."""
    monkeypatch.setattr("service.engine.batcher._QUICK", 0.05)  # which a busy machine does not reach by itself
    threads: list[str] = []
    pause = 0.0

    def named(batch: Floats) -> list[Outcome]:
        time.sleep(pause)
        threads.append(threading.current_thread().name.split("_")[0])
        return outcomes(batch)

    async with running(named) as batcher:
        await batcher.put(picture(0))
        await asyncio.gather(batcher.put(picture(0)), batcher.put(picture(0)))
        while batcher._at_work:  # noqa: ASYNC110 - the thread has yet to see that nothing waits
            await asyncio.sleep(0.001)
        pause = 0.5
        await batcher.put(picture(0))
        await batcher.put(picture(0))
    assert threads == ["MainThread", "inference", "MainThread", "inference"]


async def test_a_lone_picture_does_not_wait_for_company() -> None:
    """With a free device a picture is a batch of its own."""
    async with running(outcomes) as batcher:
        assert (await batcher.put(picture(1))).batch_size == 1


async def test_an_error_reaches_its_batch_and_no_other() -> None:
    """A batch that raises fails its own callers; the batcher lives on."""

    def fragile(batch: Floats) -> list[Outcome]:
        if batch[0].flat[0] == 13:
            raise RuntimeError("poison")
        return outcomes(batch)

    async with running(fragile) as batcher:
        with pytest.raises(RuntimeError, match="poison"):
            await batcher.put(picture(13))
        assert (await batcher.put(picture(1))).outcome.confidence == 1
        assert batcher.alive


async def test_of_a_batch_that_raises_the_bad_pictures_fail_alone() -> None:
    """A batch with two poisoned pictures is run again in halves, until each of the others has its own outcome."""
    poison = (5, 12)

    def fragile(batch: Floats) -> list[Outcome]:
        if set(poison) & {row.flat[0] for row in batch}:
            raise ValueError("poison")
        return outcomes(batch)

    async with running(fragile) as batcher:
        waiting = [batcher.put(picture(value)) for value in range(17)]
        for value, one in enumerate(await asyncio.gather(*waiting, return_exceptions=True)):
            if value in poison:
                assert isinstance(one, ValueError)
            else:
                assert isinstance(one, Counted)
                assert one.outcome.confidence == value
        assert batcher.alive


async def test_a_picture_of_another_shape_fails_alone() -> None:
    """What cannot be laid beside the others of its batch disturbs none of them."""

    def strict(batch: Floats) -> list[Outcome]:
        assert batch.shape[1:] == (1, 28, 28)
        return outcomes(batch)

    async with running(strict) as batcher:
        good, odd = batcher.put(picture(2)), batcher.put(np.zeros((1, 28, 29), np.float32))
        assert (await good).outcome.confidence == 2
        with pytest.raises(AssertionError):
            await odd


async def test_who_goes_away_frees_a_place_in_a_full_queue() -> None:
    """While a batch runs and the queue is full, one whose caller has gone makes room for another."""
    busy, free = threading.Event(), threading.Event()

    def slow(batch: Floats) -> list[Outcome]:
        busy.set()
        free.wait(10)
        return outcomes(batch)

    batcher = Batcher(Queue(2), slow, 64)
    batcher.start()
    first = [batcher.put(picture(value)) for value in range(2)]
    await asyncio.to_thread(busy.wait, 10)
    gone, kept = batcher.put(picture(2)), batcher.put(picture(3))
    with pytest.raises(Busy):
        batcher.put(picture(4))
    gone.cancel()
    new = batcher.put(picture(5))
    free.set()
    assert [one.outcome.confidence for one in await asyncio.gather(*first, kept, new)] == [0, 1, 3, 5]
    batcher.stop()


@pytest.mark.parametrize("error", [DeviceLost("the device has failed: CUDA error: it is gone"), SystemError("a bug")])
@pytest.mark.parametrize("size", [1, 3])
async def test_a_lost_device_or_a_bug_ends_it_and_leaves_nobody_waiting(
    error: Exception, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The batcher ends, says why, and whoever waits, alone or not, is told to come again, as is who comes later."""

    def broken(_items: object) -> list[Outcome]:
        raise error

    batcher = Batcher(Queue(10), outcomes, 2)
    monkeypatch.setattr(batcher, "_outcomes", broken)
    batcher.start()
    waiting = [batcher.put(picture(value)) for value in range(size)]
    for one in await asyncio.gather(*waiting, return_exceptions=True):
        assert isinstance(one, NotReady)
    assert not batcher.alive
    assert batcher.trouble is not None
    assert str(error) in batcher.trouble
    with pytest.raises(NotReady):
        batcher.put(picture(0))
    batcher.stop()


async def test_a_stopped_batcher_is_not_alive() -> None:
    """After stop no batch is taken any more, and health can see it."""
    async with running(outcomes) as batcher:
        assert batcher.alive
    assert not batcher.alive
