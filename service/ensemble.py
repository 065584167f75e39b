"""The ensemble: the models, the queue and the batcher as one thing that is started, asked and stopped."""

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count as numbers
from typing import Any, TypeVar

import structlog

from imaging import Seen, warm_up
from imaging.decode import Decoded
from imaging.page import Page
from imaging.plain import is_small
from registry.manifest import GATE
from registry.rules import Floats
from service import metrics, tracing
from service.acceptance import accept
from service.engine.backend import infer, score
from service.engine.batcher import Batcher
from service.engine.engine import open_engine
from service.engine.queue import Counted, Queue
from service.errors import NoQuorum, NotReady, capital
from service.models import Model
from service.numbers import Numbers, read_numbers
from service.pictures import decode, read, read_page
from service.report import Published, read_picture, read_published
from service.rollout import Rollout
from service.schemas import State
from service.settings import Settings
from service.vote import Outcome, QuorumError, count

T = TypeVar("T")

log = structlog.get_logger("service")

_SHARE = 4  # pictures that come together take a quarter of the queue at most: the pieces of one upload,
_READERS = 2  # and those of so many uploads at a time


class Ensemble:
    """Reads pictures, batches them through the models and counts their votes.

    What `RemoteEnsemble` of service/cluster/ has other words for is done there by other machines.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.device: str | None = None
        self.loaded = asyncio.Event()
        self.draining = False
        self.queue = Queue(settings.queue)
        self._batcher = Batcher(self.queue, self._count, settings.max_batch)
        self.rollout = Rollout(settings)
        self._batches = numbers()
        self._decoders = ThreadPoolExecutor(settings.decode_threads, thread_name_prefix="decode")
        self._readers = asyncio.Semaphore(_READERS)
        self._loading: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to load the models; the service answers meanwhile that it is starting."""
        self._loading = asyncio.create_task(self._load(), name="loading")

    async def stop(self) -> None:
        """Stop the batcher and let go of the threads."""
        self.draining = True
        if self._loading is not None:
            self._loading.cancel()
        await self.rollout.stop()
        self._batcher.stop()
        self._decoders.shutdown(wait=False, cancel_futures=True)

    async def _load(self) -> None:
        try:
            self.device = await self._batcher.in_thread(self._prepare)
            await self.rollout.start()
            self._batcher.start()
        except Exception:  # as loading anew would not mend it, /health says failed
            log.exception("the models could not be loaded")
        # What is imported stays for good: the collector need not look at it again and again. Nothing is collected
        # first: that takes 0.2 s, finds 8,000 of 390,000 objects and gives no memory back.
        gc.freeze()
        gc.enable()
        self.loaded.set()

    def _prepare(self) -> str:
        warm_up()
        return open_engine(self.settings).device

    @property
    def models(self) -> tuple[Model, ...]:
        """What votes now, or why it does not."""
        return self.rollout.served.models

    @property
    def gate(self) -> Model | None:
        """What says now whether there is a digit; with DIGITVOTE_REJECT=off there is none."""
        gate = self.rollout.served.gate
        return gate.model if gate else None

    def health(self) -> tuple[State, str | None]:
        """The state by name, and why it is not `ready` or takes up nothing new: for whoever runs the service."""
        state, reason = self.state()
        # An object store's own words name hosts and accounts.
        trouble = [] if state in ("draining", "starting") else self.rollout.trouble
        return state, "; ".join([*([reason] if reason else []), *trouble]) or None

    def state(self) -> tuple[State, str | None]:
        """The state by name, and why it is not `ready`, in words for whoever asks."""
        if self.draining:
            return "draining", "shutting down: requests in flight are being finished"
        if not self.loaded.is_set():
            return "starting", "the models are being loaded"
        missing = self.rollout.served.missing
        able = len(self.models) - len(missing)
        if able < self.settings.quorum:
            return "failed", f"{able} of {len(self.settings.models)} models can vote, {self.settings.quorum} must"
        if ended := self._trouble():
            return "failed", ended
        lacks = [f"not voting: {', '.join(missing)}"] if missing else []
        gate = self.gate
        if gate and gate.predict is None:
            lacks.append("no gate: answers are accepted by their confidence alone")
        return "degraded" if lacks else "ready", "; ".join(lacks) or None

    @property
    def able(self) -> bool:
        """Whether requests should be sent here."""
        return self.state()[0] in ("ready", "degraded")

    @property
    def alive(self) -> bool:
        """Whether nothing has failed that only a new process would mend."""
        return not self.loaded.is_set() or self._batcher.alive

    @property
    def share(self) -> int:
        """How many pictures that come together may wait at a time, so that others find room in the queue."""
        return min(self.settings.max_batch, max(1, self.settings.queue // _SHARE))

    async def read(self, content: bytes) -> Seen:
        """Decode an uploaded file, off the event loop where it takes long; raises what `pictures.read` does."""
        started = time.perf_counter()
        if is_small(content):
            seen = read(content, self.settings.max_pixels)
        else:
            seen = await self._beside(read, content, self.settings.max_pixels)
        tracing.decoded(started)
        return seen

    async def vote(self, picture: Floats) -> Counted:
        """The models' counted vote on a picture [1, 28, 28].

        Raises:
            NotReady: while the models are being loaded.
            NoQuorum: if too few models can vote, or did on this batch.
            Busy: if the queue is full.
        """
        counted = await self._vote(picture)
        tracing.voted([counted])
        return counted

    async def _vote(self, picture: Floats) -> Counted:
        self.check()
        try:
            return await self._put(picture)
        except QuorumError as error:
            raise NoQuorum(f"{error} /health says more.") from error

    async def read_page(self, content: bytes) -> Page:
        """Decode an uploaded file and cut its numbers off the event loop; raises what `pictures.read_page` does."""
        started = time.perf_counter()
        page = await self._beside(read_page, content, self.settings.max_pixels)
        tracing.decoded(started)
        return page

    async def vote_all(self, pictures: Sequence[Floats]) -> list[Counted]:
        """The counted votes on the pieces of one upload, so many at a time that others find room in the queue.

        Raises:
            What `vote` does.
        """
        counted: list[Counted] = []
        for start in range(0, len(pictures), self.share):
            async with self._readers:
                votes = [self._vote(picture) for picture in pictures[start : start + self.share]]
                answers = await asyncio.gather(*votes, return_exceptions=True)  # none is left behind where one fails
            for answer in answers:
                if isinstance(answer, BaseException):
                    raise answer
                counted.append(answer)
        tracing.voted(counted)
        return counted

    async def find_numbers(self, page: Page, outcomes: Sequence[Outcome]) -> Numbers:
        """The numbers of a page, found off the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._decoders, read_numbers, page, outcomes)

    async def decode(self, content: bytes, side: int) -> Decoded:
        """An uploaded file's brightness of at most `side` pixels a side, to be shown; raises what `decode` does."""
        return await self._beside(decode, content, self.settings.max_pixels, side)

    async def published(self) -> list[Published]:
        """What /report shows of each model that should vote, and of the gate; read off the event loop."""
        served = dict.fromkeys((*self.settings.models, GATE)) | {
            model.name: model.version for model in (*self.models, self.gate) if model
        }
        return await asyncio.to_thread(read_published, self.settings.root, served)

    async def picture(self, model: str, version: int, name: str) -> bytes | None:
        """A picture of a version's report; None if there is none."""
        return await asyncio.to_thread(read_picture, self.settings.root, model, version, name)

    def check(self) -> None:
        """Raise what a request would meet now, before any work is done for it."""
        state, reason = self.state()
        if state == "starting":
            raise NotReady(capital(f"{reason}. Try again in a moment."))
        if state == "failed":
            raise NoQuorum(capital(f"{reason}. /health says why."))

    async def _beside(self, function: Callable[..., T], *arguments: Any) -> T:
        """Run what reads an upload off the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._decoders, function, *arguments)

    def _put(self, picture: Floats) -> Awaitable[Counted]:
        """Have a picture [1, 28, 28] voted on; raises Busy or NotReady."""
        return self._batcher.put(picture)

    def _trouble(self) -> str | None:
        """Why no picture can be voted on once the models are loaded, if it cannot."""
        return None if self._batcher.alive else self._batcher.trouble or "the batcher has stopped"

    def _count(self, batch: Floats) -> list[Outcome]:
        models, gate = self.rollout.served.at(next(self._batches))
        ballots = infer(models, batch)
        scores = score(gate, batch)
        started = time.perf_counter()
        outcomes = count(ballots, self.settings.rule, self.settings.quorum)
        metrics.voted(outcomes)  # not before the gate: where that raises the batch is run again
        accepted = accept(outcomes, scores, gate.manifest if gate else None, self.settings.reject)
        self._batcher.vote_seconds += time.perf_counter() - started
        return accepted
