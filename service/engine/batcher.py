"""The batcher: whenever the device is free it takes all that has gathered, so nobody waits for company."""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from typing import TypeVar

import numpy as np
import structlog

from registry.rules import Floats
from service import metrics
from service.engine.engine import DeviceLost
from service.engine.queue import Counted, Item, Queue
from service.errors import Busy, NotReady
from service.vote import Outcome

log = structlog.get_logger("service")

T = TypeVar("T")
Count = Callable[[Floats], list[Outcome]]
Answer = Counted | Exception

_QUICK = 0.005  # seconds: what holds the event loop no longer than this may run on it


class Batcher:
    """Moves pictures from a queue through `count`, one batch at a time.

    A thread of its own takes batch after batch for as long as any picture waits, without asking the event loop, which
    meanwhile receives the next ones. A picture that is alone runs on the event loop itself, where that is quick: to
    wake the thread and be woken by it takes as long again.
    """

    def __init__(self, queue: Queue, count: Count, max_batch: int) -> None:
        self.trouble: str | None = None  # for which no batch is taken any more
        self._queue = queue
        self._count = count
        self._max_batch = max_batch
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="inference")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._at_work = False  # or about to be; changed under the lock, as both threads look at the queue by it
        self._lock = Lock()
        self._alone_seconds = 0.0  # what a picture alone takes, of late
        self.vote_seconds = 0.0  # of the batch at work: `count` adds to it

    @property
    def alive(self) -> bool:
        """Whether batches are being taken."""
        return self._loop is not None and self.trouble is None

    async def in_thread(self, prepare: Callable[[], T]) -> T:
        """Run what prepares the models in the thread that will run them: torch's caches are a thread's own."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, prepare)

    def start(self) -> None:
        """Begin to take batches; needs a running event loop."""
        self._loop = asyncio.get_running_loop()

    def stop(self) -> None:
        """Take no further batch and let go of the thread."""
        self._loop = None
        self._thread.shutdown(wait=False)

    def put(self, picture: Floats) -> asyncio.Future[Counted]:
        """Queue a picture [1, 28, 28]; the future is its result.

        Raises:
            Busy: if the queue is full.
            NotReady: if no batch is taken any more.
        """
        if self.trouble is not None:
            raise _stopped()
        future = self._queued(picture)
        if self._loop is not None:
            with self._lock:
                rests, self._at_work = not self._at_work, True
            if rests:  # what else came with it is queued by the end of this turn of the loop
                self._loop.call_soon(self._begin)
        return future

    def _queued(self, picture: Floats) -> asyncio.Future[Counted]:
        try:
            return self._queue.put(picture)
        except Busy:  # it may hold what nobody awaits any more
            with self._lock:
                self._queue.forget()
            return self._queue.put(picture)

    def _begin(self) -> None:
        items = self._next()
        if len(items) == 1 and not self._queue and self._alone_seconds < _QUICK:
            _tell(items, self._run(items))
            items = self._next()  # nothing can have come: the event loop was here
        if items and self._loop is not None:
            self._thread.submit(self._work, self._loop, items).add_done_callback(self._ended)

    def _work(self, loop: asyncio.AbstractEventLoop, items: list[Item]) -> None:
        while items:
            loop.call_soon_threadsafe(_tell, items, self._run(items))
            items = self._next()

    def _next(self) -> list[Item]:
        with self._lock:
            items = self._queue.take(self._max_batch) if self.alive else []
            self._at_work = bool(items)
        return items

    def _run(self, items: Sequence[Item]) -> list[Answer]:
        taken = time.perf_counter()
        self.vote_seconds = 0.0
        metrics.batched([taken - item.queued for item in items])
        try:
            outcomes = self._outcomes(items)
        except Exception as error:  # no batch after this one would fare better
            self._give_up(error)
            return [_stopped()] * len(items)
        seconds = time.perf_counter() - taken
        if len(items) == 1:
            self._alone_seconds += (seconds - self._alone_seconds) / 4
        return [
            outcome
            if isinstance(outcome, Exception)
            else Counted(outcome, taken - item.queued, seconds, len(items), taken, self.vote_seconds)
            for item, outcome in zip(items, outcomes, strict=True)
        ]

    def _outcomes(self, items: Sequence[Item]) -> list[Outcome | Exception]:
        """What comes of each picture; of a batch that raises each half is run again, so that a bad one fails alone."""
        try:
            outcomes = self._count(np.stack([item.picture for item in items]))
            return [outcome for _, outcome in zip(items, outcomes, strict=True)]
        except DeviceLost:
            raise
        except Exception as error:
            if len(items) == 1:
                return [error]
            log.warning("batch run again in halves", batch_size=len(items), reason=f"{type(error).__name__}: {error}")
        half = len(items) // 2
        return [*self._outcomes(items[:half]), *self._outcomes(items[half:])]

    def _ended(self, work: Future[None]) -> None:
        if not work.cancelled() and (error := work.exception()) is not None:
            self._give_up(error)

    def _give_up(self, error: BaseException) -> None:
        """Take no further batch, and leave nobody waiting for one."""
        if self._loop is None:
            return
        self.trouble = str(error) if isinstance(error, DeviceLost) else f"the batcher has stopped: {error!r}"
        log.critical("no batch is taken any more", reason=self.trouble, exc_info=error)
        self._loop.call_soon_threadsafe(self._tell_all)

    def _tell_all(self) -> None:
        with self._lock:
            items = self._queue.take(len(self._queue))
        _tell(items, [_stopped()] * len(items))


def _stopped() -> NotReady:
    return NotReady("The models have stopped, and the service must be started anew. Try again in a moment.")


def _tell(items: Sequence[Item], answers: Sequence[Answer]) -> None:
    for item, answer in zip(items, answers, strict=True):
        if item.future.done():  # its caller has gone away
            continue
        if isinstance(answer, Exception):
            item.future.set_exception(answer)
        else:
            item.future.set_result(answer)
