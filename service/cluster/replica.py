"""What each replica knows of itself, and the numbers that it has counted."""

from dataclasses import dataclass

from prometheus_client import Metric
from ray import serve

from service import metrics


@dataclass(frozen=True)
class Numbers:
    """What one replica has counted: its name, and every metric of this service."""

    replica: str
    families: list[Metric]


def name() -> str:
    """This replica's name: its deployment's, and the id that Ray has given it."""
    context = serve.get_replica_context()
    return f"{context.deployment}#{context.replica_tag}"


def numbers() -> Numbers:
    """What this replica has counted."""
    return Numbers(name(), list(metrics.REGISTRY.collect()))
