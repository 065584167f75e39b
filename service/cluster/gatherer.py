"""The numbers of all replicas for one page of /metrics."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

import structlog
from prometheus_client import Metric
from prometheus_client.registry import Collector
from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle

from service.cluster.replica import Numbers

log = structlog.get_logger("service")

_PATIENCE = 2.0  # seconds that a deployment's replicas have to tell their numbers

LABEL = "replica"


class Gatherer(Collector):
    """Asks every replica of these deployments; each series has the replica that counted it as a label.

    So a replica that ends takes its series along, and no sum falls that Prometheus would take for a new start.
    """

    def __init__(self, deployments: Sequence[DeploymentHandle[Any]], loop: asyncio.AbstractEventLoop) -> None:
        self._deployments = deployments
        self._loop = loop  # on which the handles are

    def collect(self) -> Iterable[Metric]:
        """Every metric of all replicas that answer in time; not to be called on the event loop."""
        families: dict[str, Metric] = {}
        for numbers in asyncio.run_coroutine_threadsafe(self._all(), self._loop).result():
            for family in numbers.families:
                known = families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
                for sample in family.samples:
                    known.add_sample(sample.name, {**sample.labels, LABEL: numbers.replica}, sample.value)
        return families.values()

    async def _all(self) -> list[Numbers]:
        told = await asyncio.gather(*map(_told, self._deployments))
        return [numbers for deployment in told for numbers in deployment]


async def _told(deployment: DeploymentHandle[Any]) -> list[Numbers]:
    try:
        told = await deployment.broadcast("numbers").results_async(timeout_s=_PATIENCE, return_exceptions=True)
    except (RayError, RayServeException, TimeoutError) as error:  # as where there is no replica
        log.warning("replicas have not told their numbers", deployment=deployment.deployment_name, reason=repr(error))
        return []
    return [numbers for numbers in told if isinstance(numbers, Numbers)]
