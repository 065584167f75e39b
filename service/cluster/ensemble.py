"""The ensemble of the routes: what is asked of it is done by the replicas of the other deployments."""

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import structlog
from ray.serve.handle import DeploymentHandle, DeploymentResponse, DeploymentResponseGenerator

from imaging import warm_up
from registry.rules import Floats
from service.cluster.report import Report
from service.cluster.rollout import RemoteRollout
from service.cluster.sender import Sender
from service.cluster.trouble import as_service_error
from service.engine.queue import Counted
from service.ensemble import Ensemble
from service.errors import ServiceError
from service.report import Published
from service.settings import Settings

T = TypeVar("T")

_Response = DeploymentResponse[Any] | DeploymentResponseGenerator[Any]  # never the latter

log = structlog.get_logger("service")

_PERIOD = 1.0  # seconds until a replica that votes is asked again what it serves
_PATIENCE = 5.0  # seconds that it has to answer
_SILENCE = 30.0  # seconds without any answer, after which uploads are refused before they are read


class RemoteEnsemble(Ensemble):
    """Reads small pictures itself; large ones and votes are asked for. What it is, is what a replica last told."""

    def __init__(self, settings: Settings, vote: DeploymentHandle[Any], decode: DeploymentHandle[Any]) -> None:
        super().__init__(settings)
        self._vote_replicas = vote
        self._decode_replicas = decode
        self.rollout = self._told = RemoteRollout(settings, vote)
        self._sender = Sender(vote, settings)
        self._heard = 0.0

    @property
    def alive(self) -> bool:
        """The routes can always go on: replicas that vote are replaced by Ray."""
        return True

    async def _load(self) -> None:
        await asyncio.to_thread(warm_up)
        while True:
            try:
                self._take(await self._asked())
            except Exception as error:  # whatever it is, the next may tell
                log.warning("no replica of the models has told what it serves", reason=repr(error))
            await asyncio.sleep(_PERIOD)

    async def _asked(self) -> Report:
        """What a replica tells, whichever Ray takes."""
        response = self._vote_replicas.report.remote()
        try:
            async with asyncio.timeout(_PATIENCE):
                report: Report = await response
                return report
        except Exception:
            response.cancel()  # type: ignore[no-untyped-call]
            raise

    def _take(self, report: Report) -> None:
        self._heard = time.monotonic()
        self.device = report.device
        self._told.take(report)
        if not self.loaded.is_set():
            gc.freeze()
            self.loaded.set()

    async def _beside(self, function: Callable[..., T], *arguments: Any) -> T:
        done: T | ServiceError = await _answer(self._decode_replicas.run.remote(function, *arguments))
        if isinstance(done, ServiceError):
            raise done
        return done

    async def published(self) -> list[Published]:
        """As a replica of the models has it, where the copies are of what lies on an object store."""
        found: list[Published] = await _answer(self._vote_replicas.published.remote(), _PATIENCE)
        return found

    async def picture(self, model: str, version: int, name: str) -> bytes | None:
        """As a replica of the models has it."""
        found: bytes | None = await _answer(self._vote_replicas.picture.remote(model, version, name), _PATIENCE)
        return found

    def _put(self, picture: Floats) -> Awaitable[Counted]:
        return self._sender.put(picture)

    def _trouble(self) -> str | None:
        silence = time.monotonic() - max(self._heard, self._sender.heard)
        return f"no replica of the models has answered for {silence:.0f} s" if silence > _SILENCE else None


async def _answer(response: _Response, seconds: float | None = None) -> Any:
    """What comes of a call, which is cancelled with its caller; what it raises is a row of the service's table."""
    try:
        async with asyncio.timeout(seconds):
            return await response
    except asyncio.CancelledError:
        response.cancel()  # type: ignore[no-untyped-call]
        raise
    except Exception as error:
        response.cancel()  # type: ignore[no-untyped-call]
        raise as_service_error(error) from error
