"""How the models do on what is sent: accuracy by feedback, and whether what is sent drifts from the training set."""

import math
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from statistics import NormalDist

import structlog
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily

from registry.feedback import FeedbackError, Store
from registry.feedback_figures import Figures
from registry.manifest import Manifest
from service.schemas import Live, LiveAccuracy, LiveConfidence

_SECONDS = 15.0  # that figures are told again before the store is read anew
_NORMAL = NormalDist().inv_cdf(0.975)
# Pictures of each label in MNIST's training set, by which the shares of answers are measured: a manifest has no counts.
TRAINING_LABELS = (5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949)

FEEDBACK_ROWS = ("digitvote_feedback_rows", "answers in the store of feedback", ("state",))
LIVE_ANSWERS = ("digitvote_live_answers", "answers with feedback, of a version or of the vote", ("model", "version"))
LIVE_ACCURACY = (
    "digitvote_live_accuracy",
    "share of them that was right, and the ends of its 95 % interval",
    ("model", "version", "bound"),
)
LABEL_DRIFT = ("digitvote_label_drift", "population stability index of the labels answered of late", ())
CONFIDENCE_DRIFT = (
    "digitvote_confidence_drift",
    "mean confidence of late, less the accuracy on the test set",
    ("model", "version"),
)
FAMILIES = (FEEDBACK_ROWS, LIVE_ANSWERS, LIVE_ACCURACY, LABEL_DRIFT, CONFIDENCE_DRIFT)

log = structlog.get_logger("service")


def wilson(right: int, answers: int) -> tuple[float, float]:
    """The 95 % interval of a share, of at least one answer. Source: Wilson 1927."""
    share, square = right / answers, _NORMAL**2
    middle = (share + square / (2 * answers)) / (1 + square / answers)
    half = _NORMAL * math.sqrt(share * (1 - share) / answers + square / (4 * answers**2)) / (1 + square / answers)
    return max(0.0, middle - half), min(1.0, middle + half)


def stability(counts: Sequence[int], reference: Sequence[int] = TRAINING_LABELS) -> float:
    """The population stability index of counts against a reference's: 0 where the shares are alike.

    It is the sum of both Kullback-Leibler divergences. Half a count is added to each, so that none is nothing.
    """
    found, wanted = ([(count + 0.5) / (sum(each) + 0.5 * len(each)) for count in each] for each in (counts, reference))
    return sum((one - other) * math.log(one / other) for one, other in zip(found, wanted, strict=True))


class Reader:
    """Reads the store's figures, every few seconds at most."""

    def __init__(self, path: Path, minutes: float) -> None:
        self._path = path
        self._seconds = minutes * 60
        self._lock = threading.Lock()
        self._figures: Figures | None = None
        self._read = -math.inf

    def live(self, served: Iterable[Manifest]) -> Live | None:
        """How versions that are served do, and the vote; None where the store cannot be read. It waits for the disk."""
        figures = self._newest()
        return None if figures is None else _live(figures, served)

    def _newest(self) -> Figures | None:
        with self._lock:
            if time.monotonic() - self._read > _SECONDS:
                try:
                    with Store(self._path, read_only=True) as store:
                        self._figures = store.figures(time.time() - self._seconds)
                except FeedbackError as error:
                    log.warning("feedback cannot be read", reason=str(error))
                    self._figures = None
                self._read = time.monotonic()
            return self._figures


def _live(figures: Figures, served: Iterable[Manifest]) -> Live:
    tested = {(one.name, one.version): one.metrics["test"].accuracy for one in served if "test" in one.metrics}
    accuracy = []
    for each in figures.right:
        low, high = wilson(each.right, each.answers)
        accuracy.append(
            LiveAccuracy(
                model=each.model,
                version=each.version,
                answers=each.answers,
                right=each.right,
                accuracy=each.right / each.answers,
                low=low,
                high=high,
            )
        )
    confidence = [
        LiveConfidence(
            model=each.model,
            version=each.version,
            answers=each.answers,
            confidence=each.confidence,
            reference=tested[each.model, each.version],
            drift=each.confidence - tested[each.model, each.version],
        )
        for each in figures.sureness
        if (each.model, each.version) in tested
    ]
    answered = sum(figures.labels)
    return Live(
        kept=figures.kept,
        pending=figures.pending,
        accuracy=accuracy,
        labels=list(figures.labels),
        label_drift=stability(figures.labels) if answered else None,
        confidence=confidence,
    )


def families(live: Live) -> Iterator[Metric]:
    """The same for Prometheus."""
    rows, answers, accuracy, labels, confidence = (
        GaugeMetricFamily(name, meaning, labels=names) for name, meaning, names in FAMILIES
    )
    rows.add_metric(["kept"], live.kept)
    rows.add_metric(["pending"], live.pending)
    for each in live.accuracy:
        answers.add_metric([each.model, each.version], each.answers)
        for bound, share in (("low", each.low), ("share", each.accuracy), ("high", each.high)):
            accuracy.add_metric([each.model, each.version, bound], share)
    if live.label_drift is not None:
        labels.add_metric([], live.label_drift)
    for sure in live.confidence:
        confidence.add_metric([sure.model, str(sure.version)], sure.drift)
    yield from (rows, answers, accuracy, labels, confidence)
