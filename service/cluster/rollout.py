"""The rollout as the routes see it: each replica that votes has its own, and one has told of it."""

import asyncio
from typing import Any

from ray.serve.handle import DeploymentHandle

from service.cluster.report import Report
from service.cluster.trouble import as_service_error
from service.rollout import Rollout
from service.schemas import ObjectStore
from service.served import Served
from service.settings import Settings

_PATIENCE = 60.0  # seconds that all replicas have to load a version


class RemoteRollout(Rollout):
    """Holds what a replica served when it was asked last; what is to be loaded or unloaded is told to all."""

    def __init__(self, settings: Settings, vote: DeploymentHandle[Any]) -> None:
        super().__init__(settings)
        self._vote = vote
        self._store: ObjectStore | None = None

    @property
    def store(self) -> ObjectStore | None:
        """As the replica has told it: this process asks no store."""
        return self._store

    def take(self, report: Report) -> None:
        """Hold what a replica has told."""
        self.places = dict(report.places)
        self.served = Served.of({name: place.slot() for name, place in report.places.items()})
        self._store = report.store

    async def load(self, name: str) -> None:
        """As `Rollout.load`, in each replica that there is now."""
        await self._all("load", name)

    async def unload(self, name: str) -> None:
        """As `Rollout.unload`, in each replica that there is now; one that comes later has it."""
        await self._all("unload", name)

    async def _all(self, method: str, name: str) -> None:
        try:
            async with asyncio.timeout(_PATIENCE):
                errors = await self._vote.broadcast(method, name).results_async()
                report = await self._vote.report.remote()
        except Exception as failure:
            raise as_service_error(failure) from failure
        self.take(report)
        for error in errors:
            if error is not None:
                raise error
