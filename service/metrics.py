"""What Prometheus is told: every number that the service counts, and a small function for each place that counts.

One worker keeps its numbers in memory. Several keep them in files of the folder that PROMETHEUS_MULTIPROC_DIR names,
and whichever is asked adds up those of all; prometheus_client looks for that variable as it is imported.
"""

import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from functools import cache, partial
from typing import Any, get_args

from fastapi import APIRouter
from fastapi.routing import APIRoute
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Metric,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from registry.address import Address
from registry.manifest import Manifest
from registry.rules import Floats
from service.models import Step
from service.schemas import State
from service.vote import Outcome

OTHER = "other"  # in place of what a stranger may choose: there are only so many series
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

REGISTRY = CollectorRegistry()
disable_created_metrics()
_counter = partial(Counter, registry=REGISTRY)
_histogram = partial(Histogram, registry=REGISTRY, buckets=_SECONDS)
_gauge = partial(Gauge, registry=REGISTRY, multiprocess_mode="livesum")

REQUESTS = _counter("digitvote_requests_total", "requests that were answered", ["route", "method", "status"])
REQUEST_SECONDS = _histogram("digitvote_request_seconds", "from a request to the end of its answer", ["route"])
IN_FLIGHT = _gauge("digitvote_in_flight", "uploads that are being worked on")
QUEUE_DEPTH = _gauge("digitvote_queue_depth", "pictures that wait for a batch")
QUEUE_SECONDS = _histogram("digitvote_queue_seconds", "what a picture waited for its batch")
DECODE_SECONDS = _histogram("digitvote_decode_seconds", "decoding an upload, with the wait for a thread")
BATCH_SIZE = _histogram("digitvote_batch_size", "pictures in a batch", buckets=[2**power for power in range(13)])
INFERENCE_SECONDS = _histogram("digitvote_inference_seconds", "a batch through one model", ["model", "version"])
VOTES = _counter("digitvote_votes_total", "votes on pictures, pieces of numbers too", ["model", "version", "label"])
LABELS = _counter("digitvote_labels_total", "digits in answers", ["label"])
DISAGREEMENTS = _counter("digitvote_disagreements_total", "digits in answers on which the votes differ")
REJECTIONS = _counter("digitvote_rejections_total", "digits in answers that were not accepted", ["reason"])
REFUSALS = _counter("digitvote_refusals_total", "requests answered by an error", ["error"])
KEY_REQUESTS = _counter("digitvote_key_requests_total", "requests that came with a known key", ["key"])
FEEDBACK_LOST = _counter("digitvote_feedback_lost_total", "answers that could not be remembered for feedback")
MODEL_INFO = _gauge(
    "digitvote_model_info", "1 for what is served", ["model", "version", "sha256"], multiprocess_mode="livemax"
)
MODEL_LOADS = _counter(
    "digitvote_model_loads_total", "versions that were loaded, or failed at a step", ["model", "outcome", "step"]
)
STATE = _gauge("digitvote_state", "workers in this state", ["state"])
STORE_REACHED = _gauge(
    "digitvote_store_reached",
    "1 where the object store answered at the last look, else 0",
    ["address"],
    multiprocess_mode="livemin",
)
INFER_SECONDS = _histogram("digitvote_infer_seconds", "inference requests that name a model", ["model", "outcome"])
INFER_LAST = _gauge(
    "digitvote_infer_last_seconds", "when one last came, since the epoch", ["model"], multiprocess_mode="max"
)

_gathered: Collector | None = None
_routes: dict[str, re.Pattern[str]] = {}
_child: Any = cache(lambda metric, *values: metric.labels(*values))


def know(router: APIRouter) -> None:
    """Name a router's paths also on requests that are refused before they are routed."""
    _routes.update((route.path, route.path_regex) for route in router.routes if isinstance(route, APIRoute))


def request(scope: MutableMapping[str, Any], status: int, seconds: float, error: object) -> None:
    """Count a request by its ASGI scope once it is answered, or given up with status 0; `error` is its name or None."""
    route = getattr(scope.get("route"), "path", None) or _route(scope["path"])
    method = scope["method"] if scope["method"] in _METHODS else OTHER
    _child(REQUESTS, route, method, status).inc()
    _child(REQUEST_SECONDS, route).observe(seconds)
    if error is not None:
        _child(REFUSALS, error).inc()


def _route(path: str) -> str:
    """The route that a path would be served by."""
    return next((route for route, pattern in _routes.items() if pattern.fullmatch(path)), OTHER)


def keyed(name: str) -> None:
    """Count a request by its key's name."""
    _child(KEY_REQUESTS, name).inc()


def decoded(seconds: float) -> None:
    """Tell how long an upload took to decode."""
    DECODE_SECONDS.observe(seconds)


def batched(waits: Sequence[float]) -> None:
    """Tell how many seconds each picture of a batch has waited for it."""
    BATCH_SIZE.observe(len(waits))
    for seconds in waits:
        QUEUE_SECONDS.observe(seconds)


def timed(predict: Callable[[Floats], Floats], manifest: Manifest) -> Callable[[Floats], Floats]:
    """The same model, which tells how long each batch took."""
    observe = INFERENCE_SECONDS.labels(manifest.name, manifest.version).observe

    def run(pictures: Floats) -> Floats:
        started = time.perf_counter()
        logits = predict(pictures)
        observe(time.perf_counter() - started)
        return logits

    return run


def voted(outcomes: Iterable[Outcome]) -> None:
    """Count the votes on a batch."""
    times: dict[tuple[str, int, int], int] = {}  # faster than a Counter where the batch is small
    for outcome in outcomes:
        for vote in outcome.cast:
            key = vote.model, vote.version, vote.label
            times[key] = times.get(key, 0) + 1
    for key, number in times.items():
        _child(VOTES, *key).inc(number)


def answered(label: int, agreement: float, reason: str | None) -> None:
    """Count a digit in an answer, and why it is not accepted, if it is not."""
    _child(LABELS, label).inc()
    if agreement < 1:
        DISAGREEMENTS.inc()
    if reason is not None:
        _child(REJECTIONS, reason).inc()


@contextmanager
def inferring(model: str) -> Iterator[None]:
    """Tell how long a request that names a model took, and whether it got its tensors."""
    started, outcome = time.perf_counter(), "fail"
    try:
        yield
        outcome = "success"
    finally:
        _child(INFER_SECONDS, model, outcome).observe(time.perf_counter() - started)
        _child(INFER_LAST, model).set(time.time())


def loading(model: str) -> None:
    """Tell of a model before it is loaded: what was never counted is 0, so that the first time is a rise."""
    _child(MODEL_LOADS, model, "loaded", "")
    for step in get_args(Step):
        _child(MODEL_LOADS, model, "failed", step)


def loaded(manifest: Manifest) -> None:
    """Count a version that was loaded, and tell that it is served."""
    _child(MODEL_LOADS, manifest.name, "loaded", "").inc()
    MODEL_INFO.labels(manifest.name, manifest.version, manifest.sha256).set(1)


def unloaded(manifest: Manifest) -> None:
    """Tell that a version is no longer served."""
    MODEL_INFO.labels(manifest.name, manifest.version, manifest.sha256).set(0)


def not_loaded(model: str, step: Step) -> None:
    """Count a version that could not be loaded, by what it failed at."""
    _child(MODEL_LOADS, model, "failed", step).inc()


def looked(address: Address, reached: bool) -> None:
    """Tell whether an object store answered."""
    STORE_REACHED.labels(str(address)).set(reached)


def now(state: State, depth: int) -> None:
    """Tell this worker's state and how many pictures wait in its queue."""
    for name in get_args(State):
        _child(STATE, name).set(name == state)
    QUEUE_DEPTH.set(depth)


def forget(worker: int) -> None:
    """Take what a worker that ended, by its process id, had in flight out of the sums; what it counted stays."""
    mark_process_dead(worker)


def text(more: Iterable[Metric] = ()) -> bytes:
    """Everything in Prometheus' text format, of all workers together, and what was made for this time alone."""
    return generate_latest(_together()) + generate_latest(_Made(more))


def collected() -> Iterable[Metric]:
    """Everything as it is now, of all workers together."""
    return _together().collect()


def inference_seconds() -> dict[tuple[str, int], float]:
    """What a batch took on average, by model and version; of all workers, where there was any batch."""
    sums: dict[tuple[str, int], dict[str, float]] = {}
    for family in collected():
        if family.name == "digitvote_inference_seconds":
            for sample in family.samples:
                part = sums.setdefault((sample.labels["model"], int(sample.labels["version"])), {})
                part[sample.name.rpartition("_")[2]] = sample.value
    return {key: part["sum"] / part["count"] for key, part in sums.items() if part.get("count")}


def gather(source: Collector) -> None:
    """Have `text` and `collected` tell what this collects, of several machines, which takes its time."""
    global _gathered
    _gathered = source


def _together() -> CollectorRegistry:
    together = CollectorRegistry()
    if _gathered is not None:
        together.register(_gathered)
        return together
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return REGISTRY
    MultiProcessCollector(together)
    return together


class _Made(Collector):
    """Families that were made elsewhere."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        """They."""
        return self._families
