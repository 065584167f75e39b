"""The rollout: what is served, and how a version that is published meanwhile comes to be.

It is loaded beside the one that votes, in a thread of its own, and must pass every check before a batch is run by it;
where it fails, all stays as it was. A batch that has begun ends with the versions that it began with.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, suppress
from functools import partial
from typing import Any, TypeVar

import structlog

from registry.address import Address
from registry.manifest import GATE, Manifest
from service import metrics
from service.engine.engine import Engine, open_engine
from service.models import Model, load_version, take
from service.place import Place
from service.schemas import ObjectStore
from service.seat import Seat
from service.served import Served
from service.settings import Settings
from service.source import of_store, source

T = TypeVar("T")

_ASKING_SECONDS = 3  # that a load waits for what the store lists now; then what it listed last holds

log = structlog.get_logger("service")


class RolloutError(Exception):
    """What was asked for cannot be; the message says why."""


class Rollout:
    """Holds what is served and takes up what is published, removed or asked for; used from the event loop alone."""

    def __init__(self, settings: Settings) -> None:
        names = [*settings.models, *([] if settings.reject == "off" else [GATE])]
        self.places = {name: Place.of(name, settings.pins[name]) for name in names}
        self.served = Served()
        self.source = source(settings)
        self._settings = settings
        self._engine: Engine  # once started
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="rollout")
        # A store that hangs as it is asked, or in a model's objects, holds no loading and no other model.
        self._asking = ThreadPoolExecutor(1, thread_name_prefix="source")
        self._fetching = ThreadPoolExecutor(len(names), thread_name_prefix="fetch")
        self._looking = {name: asyncio.Lock() for name in names}
        self._troubled = False
        self._woken = asyncio.Event()
        self._watch: asyncio.Task[None] | None = None

    @property
    def manifests(self) -> list[Manifest]:
        """Of all versions that are served, canaries too."""
        seats = [seat for place in self.places.values() for seat in place.seats]
        return [seat.model.manifest for seat in seats if seat.model.manifest]

    @property
    def trouble(self) -> list[str]:
        """What keeps new versions from coming, if anything does."""
        return [f"object store not reached: {self.store.reason}"] if self.store and self.store.reason else []

    @property
    def store(self) -> ObjectStore | None:
        """How it stands with the object store that versions come from; None where that is a folder."""
        return of_store(self.source)

    async def start(self) -> None:
        """Load of each model the most wanted version that passes, then look for what changes."""
        for name in self.places:
            metrics.loading(name)
        self._engine = await self._beside(open_engine, self._settings)  # torch counts threads by thread
        await self._look(patient=False)
        self._watch = asyncio.create_task(self._keep_looking(), name="rollout")

    async def stop(self) -> None:
        """Look no more; what is being loaded is dropped."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        for thread in (self._thread, self._asking, self._fetching):
            thread.shutdown(wait=False, cancel_futures=True)

    def wake(self) -> None:
        """Have it looked at once, and what has failed tried again."""
        self._woken.set()

    async def look(self, *, again: bool = False) -> None:
        """Look at every model once, but those that were unloaded; `again` tries what has failed, and is not patient."""
        for place in self.places.values() if again else ():
            place.forget()
        await self._look(patient=not again)

    async def load(self, name: str) -> None:
        """Look at one model now, and have it vote again if it was unloaded.

        Raises:
            RolloutError: if there is no such model, or a version that is wanted of it does not pass.
        """
        place = self._place(name)
        place.unloaded = False
        place.forget()
        try:
            async with asyncio.timeout(_ASKING_SECONDS):
                await self._ask()
        except TimeoutError:
            self.wake()  # to take up later what is not known yet
        await self._look_at(name, patient=False)
        await self._tidy()
        for seat in place.seats:
            for attempt in seat.attempts.values():
                raise RolloutError(f"{name} {attempt.version}: {attempt.reason}")
            if seat.model.predict is None:
                raise RolloutError(f"{name}: {seat.model.reason}")

    async def unload(self, name: str) -> None:
        """Take a model, or the gate, out until it is loaded again.

        Raises:
            RolloutError: if there is no such model, or too few would be left to vote.
        """
        place = self._place(name)
        left = [model for model in self.served.models if model.predict and model.name != name]
        if name != GATE and len(left) < self._settings.quorum:
            raise RolloutError(f"{name}: without it {len(left)} models could vote, {self._settings.quorum} must")
        place.unloaded = True
        place.forget()
        for seat in place.seats:
            self._give(seat, Model(name, reason="unloaded: load it to have it back"))

    def _place(self, name: str) -> Place:
        if self._watch is None:
            raise RolloutError("the models are still being loaded")
        if name not in self.places:
            raise RolloutError(f"there is no model {name!r}; there are {', '.join(self.places)}")
        return self.places[name]

    async def _keep_looking(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._settings.poll_seconds or None):
                    await self._woken.wait()
            again = self._woken.is_set()
            self._woken.clear()
            try:
                await self.look(again=again)
            except Exception:  # as of a disk that is gone for a while: what is served stays
                log.exception("the artifacts could not be looked at", artifacts=str(self._settings.artifacts))

    async def _look(self, *, patient: bool) -> None:
        await self._ask()
        for name in self.places:
            await self._look_at(name, patient=patient)
        await self._tidy()

    async def _look_at(self, name: str, *, patient: bool) -> None:
        place = self.places[name]
        async with self._looking[name]:
            for seat in place.seats:
                if place.unloaded:
                    return
                found = await self._beside(seat.survey, self.source)
                model = await seat.look(found, self._load, patient=patient)
                if place.unloaded:  # meanwhile: what was loaded is dropped
                    place.forget()
                elif model is not None:
                    self._give(seat, model)
                elif seat.model.predict is None:
                    self._miss(seat, seat.lack(self._settings.artifacts, self.source.trouble))

    async def _ask(self) -> None:
        """See what is published, and tell once when that begins or ceases to be possible."""
        await self._in(self._asking, self.source.look)
        if self.source.trouble and not self._troubled:
            log.warning("object store not reached", reason=self.source.trouble)
        elif self._troubled and not self.source.trouble:
            log.info("object store reached again")
        self._troubled = bool(self.source.trouble)
        if isinstance(self._settings.artifacts, Address):
            metrics.looked(self._settings.artifacts, not self._troubled)

    async def _tidy(self) -> None:
        """Have old copies removed, but not while another is being taken: whoever looks for that tidies after it."""
        if any(lock.locked() for lock in self._looking.values()):
            return
        async with AsyncExitStack() as all_locked:
            for lock in self._looking.values():
                await all_locked.enter_async_context(lock)
            served = {name: {seat.model.version or 0 for seat in place.seats} for name, place in self.places.items()}
            try:
                await self._beside(self.source.tidy, served)
            except OSError as error:
                log.warning("old copies could not be removed", reason=str(error))

    def _miss(self, seat: Seat, reason: str) -> None:
        if reason != seat.model.reason:  # else it was told at an earlier look
            log.warning("model missing", model=seat.name, reason=reason)
            self._give(seat, Model(seat.name, reason=reason))

    async def _load(self, name: str, version: int) -> Model:
        where, most = self._settings.root, self._settings.max_batch
        await self._in(self._fetching, take, self.source, name, version)
        manifest, predict = await self._beside(load_version, where, name, version, self._engine, most)
        return Model(name, manifest, metrics.timed(predict, manifest))

    def _give(self, seat: Seat, model: Model) -> None:
        """Have the next batches run by what has the seats now."""
        before, seat.model = seat.model, model
        self.served = Served.of({name: place.slot() for name, place in self.places.items()})
        if before.manifest:
            metrics.unloaded(before.manifest)
        if model.manifest:
            metrics.loaded(model.manifest)
            told = {"version": model.version, "instead_of": before.version, "device": self._engine.device}
            log.info("model loaded", model=seat.name, **told)

    async def _beside(self, function: Callable[..., T], *arguments: Any) -> T:
        """Run what may take long in the rollout's own thread."""
        return await self._in(self._thread, function, *arguments)

    async def _in(self, threads: ThreadPoolExecutor, function: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(threads, partial(function, *arguments))
