"""Pictures on their way to the replicas that vote."""

import asyncio
import time
from contextvars import Context
from dataclasses import replace
from typing import Any

import numpy as np
from ray.serve.handle import DeploymentHandle

from registry.rules import Floats
from service.cluster.trouble import as_service_error
from service.engine.queue import Counted, Item
from service.errors import Busy, ServiceError
from service.settings import Settings


class Sender:
    """Sends pictures to the replicas that vote; those that come in one turn of the event loop go together.

    They meet those of other senders in the replica's queue: what is a batch is for its batcher to say.
    """

    def __init__(self, vote: DeploymentHandle[Any], settings: Settings) -> None:
        self._vote = vote
        self._together = settings.max_batch
        self._bound = settings.queue
        self._under_way = 0
        self._items: list[Item] = []
        self._calls: set[asyncio.Task[None]] = set()
        self.heard = 0.0  # when a replica answered last, by `monotonic`

    def put(self, picture: Floats) -> asyncio.Future[Counted]:
        """Send a picture [1, 28, 28]; the future is its result, or a ServiceError.

        Raises:
            Busy: if as many are under way as may be.
        """
        if self._under_way >= self._bound:
            raise Busy
        loop = asyncio.get_running_loop()
        if not self._items:
            # In no request's context: Ray would take the call for that one's, and cancel all if its sender went away.
            loop.call_soon(self._send, context=Context())
        item = Item(picture, loop.create_future())
        self._items.append(item)
        self._under_way += 1
        return item.future

    def _send(self) -> None:
        items, self._items = self._items, []
        for start in range(0, len(items), self._together):
            call = asyncio.create_task(self._call(items[start : start + self._together]))
            self._calls.add(call)
            call.add_done_callback(self._calls.discard)

    async def _call(self, items: list[Item]) -> None:
        sent = time.perf_counter()
        try:
            answers = await self._vote.vote.remote(np.stack([item.picture for item in items]))
            self.heard = time.monotonic()
        except Exception as error:
            answers = [as_service_error(error)] * len(items)
        finally:
            self._under_way -= len(items)
        for item, answer in zip(items, answers, strict=True):
            _tell(item, answer, sent)


def _tell(item: Item, answer: Counted | ServiceError, sent: float) -> None:
    if item.future.done():  # its caller has gone away
        return
    if isinstance(answer, ServiceError):
        item.future.set_exception(answer)
    else:
        item.future.set_result(_here(answer, sent))


def _here(counted: Counted, sent: float) -> Counted:
    """The same with `taken` on this machine's clock, supposing that either way takes as long."""
    on_the_way = time.perf_counter() - sent - counted.queue_seconds - counted.inference_seconds
    return replace(counted, taken=sent + max(0.0, on_the_way / 2) + counted.queue_seconds)
