"""The lane of many pictures: all requests that bring many share it, so that single ones find room beside them."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import TypeVar

from imaging import Seen
from registry.rules import Floats
from service.engine.queue import Counted
from service.ensemble import Ensemble
from service.errors import Busy

T = TypeVar("T")
R = TypeVar("R")

_AHEAD = 2  # pictures a decoder that are given to it: one at work, one at hand
_PAUSE = 0.005  # seconds until a full queue is looked at again


class Lane:
    """Reads and votes as the ensemble does, so many pictures at a time over all requests."""

    def __init__(self, ensemble: Ensemble) -> None:
        self.width = ensemble.share
        self._ensemble = ensemble
        self._reading = asyncio.Semaphore(_AHEAD * ensemble.settings.decode_threads)
        self._voting = asyncio.Semaphore(self.width)

    async def read(self, content: Callable[[], Awaitable[bytes]]) -> tuple[Seen, float]:
        """A picture decoded, whose bytes are asked for when its turn comes, and in how many seconds.

        Raises:
            What `content` and `Ensemble.read` do.
        """
        async with self._reading:
            started = time.perf_counter()
            seen = await self._ensemble.read(await content())
            return seen, time.perf_counter() - started

    async def vote(self, picture: Floats) -> Counted:
        """The vote on a picture [1, 28, 28], which waits for room; raises what else `Ensemble.vote` does."""
        async with self._voting:
            while True:
                try:
                    return await self._ensemble.vote(picture)
                except Busy:  # its request was let in
                    await asyncio.sleep(_PAUSE)

    async def finished(self, work: Callable[[T], Awaitable[R]], items: Sequence[T]) -> AsyncGenerator[R, None]:
        """What comes of each item, as it is done; `work` must not raise. Closing this cancels the rest."""
        waiting, done = iter(items), asyncio.Queue[R]()

        async def take() -> None:
            for item in waiting:
                done.put_nowait(await work(item))

        workers = [asyncio.create_task(take()) for _ in range(min(self.width, len(items)))]
        try:
            for _ in items:
                yield await done.get()
        finally:
            for worker in workers:
                worker.cancel()
