"""The batcher: whenever the device is free it takes all that has gathered, so nobody waits for company."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np

from registry.rules import Floats
from service import metrics
from service.engine.queue import Counted, Item, Queue
from service.vote import Outcome

T = TypeVar("T")
Count = Callable[[Floats], list[Outcome]]


class Batcher:
    """Moves pictures from the queue through `count`, in one thread, one batch at a time."""

    def __init__(self, queue: Queue, count: Count, max_batch: int) -> None:
        self._queue = queue
        self._count = count
        self._max_batch = max_batch
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="inference")
        self._task: asyncio.Task[None] | None = None

    @property
    def alive(self) -> bool:
        """Whether batches are being taken."""
        return self._task is not None and not self._task.done()

    async def in_thread(self, prepare: Callable[[], T]) -> T:
        """Run what prepares the models in the thread that will run them: torch's caches are a thread's own."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, prepare)

    def start(self) -> None:
        """Begin to take batches; needs a running event loop."""
        self._task = asyncio.create_task(self._run(), name="batcher")

    async def stop(self) -> None:
        """Stop taking batches and let go of the thread."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._thread.shutdown(wait=False)

    async def _run(self) -> None:
        while True:
            items = await self._queue.take(self._max_batch)
            taken = time.perf_counter()
            metrics.batched([taken - item.queued for item in items])
            try:
                outcomes = await asyncio.get_running_loop().run_in_executor(self._thread, self._count, _stack(items))
                seconds = time.perf_counter() - taken
                for item, outcome in zip(items, outcomes, strict=True):
                    if not item.future.done():  # its caller may have gone away
                        item.future.set_result(Counted(outcome, taken - item.queued, seconds, len(items)))
            except Exception as error:
                for item in items:
                    if not item.future.done():
                        item.future.set_exception(error)


def _stack(items: list[Item]) -> Floats:
    return np.stack([item.picture for item in items])
