"""The deployment that votes: the models, their rollout and the batcher, as in one process."""

import asyncio
from collections.abc import Awaitable, Sequence

import structlog

from registry.rules import Floats
from service import logs, metrics
from service.cluster import replica
from service.cluster.replica import Numbers
from service.cluster.report import Report
from service.engine.queue import Counted
from service.ensemble import Ensemble
from service.errors import ServiceError
from service.report import Published
from service.rollout import RolloutError
from service.settings import Settings

log = structlog.get_logger("service")


class NoQuorumHere(Exception):
    """Too few models can be loaded by this replica; the message says which, and why."""


class Vote:
    """One ensemble: each call's pictures meet those of all others in its queue and go through its batcher.

    Ray sends nothing here before the models are loaded, and starts another replica where they cannot be.
    """

    async def __init__(self, settings: Settings) -> None:  # type: ignore[misc]  # Ray awaits it
        logs.configure(settings.log, settings.log_level)
        self._ensemble = Ensemble(settings)
        self._ensemble.start()
        await self._ensemble.loaded.wait()
        state, reason = self._ensemble.health()
        if state == "failed":
            why = "; ".join(f"{model.name}: {model.reason}" for model in self._ensemble.models if model.reason)
            raise NoQuorumHere(f"{reason}. {why}")

    def check_health(self) -> None:
        """Raise where only a new process would help, by which Ray starts one."""
        if not self._ensemble.alive:
            raise RuntimeError(self._ensemble.health()[1])

    async def vote(self, pictures: Floats) -> list[Counted | ServiceError]:
        """What comes of each of N pictures [N, 1, 28, 28]."""
        votes = [self._ensemble.vote(picture) for picture in pictures]
        return _sent(await asyncio.gather(*votes, return_exceptions=True))

    async def report(self) -> Report:
        """What this replica is now."""
        return Report.of(self._ensemble)

    async def published(self) -> list[Published]:
        """What /report shows, as it lies here."""
        return await self._ensemble.published()

    async def picture(self, model: str, version: int, name: str) -> bytes | None:
        """A picture of it."""
        return await self._ensemble.picture(model, version, name)

    async def numbers(self) -> Numbers:
        """What it has counted."""
        metrics.now(self._ensemble.health()[0], len(self._ensemble.queue))
        return replica.numbers()

    async def load(self, model: str) -> RolloutError | None:
        """Have a model vote again, as `Rollout.load`; the error is returned."""
        return await _tried(self._ensemble.rollout.load(model))

    async def unload(self, model: str) -> RolloutError | None:
        """Take a model out, as `Rollout.unload`; the error is returned."""
        return await _tried(self._ensemble.rollout.unload(model))


def _sent(answers: Sequence[Counted | BaseException]) -> list[Counted | ServiceError]:
    """Errors as values: raised here they would stand in Ray's log with tracebacks, and come as Ray's own."""
    sent: list[Counted | ServiceError] = []
    for answer in answers:
        if isinstance(answer, BaseException) and not isinstance(answer, ServiceError):
            log.error("unexpected error", exc_info=answer)
            answer = ServiceError()
        sent.append(answer)
    return sent


async def _tried(act: Awaitable[None]) -> RolloutError | None:
    try:
        await act
    except RolloutError as error:
        return error
    return None
