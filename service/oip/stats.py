"""What the models did, in Triton's words, from the numbers that Prometheus is told: those of all workers together."""

from collections.abc import Iterable
from typing import Any

from prometheus_client import Metric

from service import metrics
from service.oip.models import Listed

_NONE = {"count": 0, "ns": 0}


class Numbers:
    """The numbers of one moment, by name."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._samples = [sample for family in families for sample in family.samples]

    def total(self, name: str, **labels: str) -> float:
        """The sum of what is called so and has these labels."""
        return sum(
            sample.value
            for sample in self._samples
            if sample.name == f"digitvote_{name}" and labels.items() <= sample.labels.items()
        )

    def duration(self, name: str, **labels: str) -> dict[str, int]:
        """What `Duration` describes, of a histogram of seconds."""
        return {
            "count": round(self.total(f"{name}_count", **labels)),
            "ns": round(self.total(f"{name}_sum", **labels) * 1e9),
        }


def statistics(models: Iterable[Listed]) -> dict[str, Any]:
    """What `Statistics` describes."""
    numbers = Numbers(metrics.collected())
    return {"model_stats": [_of(model, numbers) for model in models]}


def _of(model: Listed, numbers: Numbers) -> dict[str, Any]:
    queue = numbers.duration("queue_seconds")
    if model.whole:
        pictures, batches = queue["count"], round(numbers.total("batch_size_count"))
        infer = {"count": batches, "ns": numbers.duration("inference_seconds")["ns"]}
    else:
        labels = {"model": model.name, "version": str(model.version)}
        infer = numbers.duration("inference_seconds", **labels)
        pictures, batches = round(numbers.total("votes_total", **labels)), infer["count"]
    return {
        "name": model.name,
        "version": str(model.version),
        "last_inference": round(numbers.total("infer_last_seconds", model=model.name) * 1e3),
        "inference_count": pictures,
        "execution_count": batches,
        "inference_stats": {
            "success": numbers.duration("infer_seconds", model=model.name, outcome="success"),
            "fail": numbers.duration("infer_seconds", model=model.name, outcome="fail"),
            "queue": queue,
            "compute_input": _NONE,
            "compute_infer": infer,
            "compute_output": _NONE,
            "cache_hit": _NONE,
            "cache_miss": _NONE,
        },
        "batch_stats": [],
    }
