"""All models on a batch: a batch goes in, ballots and the gate's scores come out."""

from collections.abc import Sequence

import numpy as np
import structlog

from registry.rules import Floats, log_odds
from service.engine.engine import DeviceLost, lost
from service.models import Model
from service.vote import Ballot

log = structlog.get_logger("service")

_NOT_FINITE = "gave no finite logits"


def infer(models: Sequence[Model], batch: Floats) -> list[Ballot]:
    """Run every model on a batch [N, 1, 28, 28].

    Of a model that fails on a picture alone the ballot is empty; on several it raises, and each must be asked alone.

    Raises:
        DeviceLost: if nothing can be run any more.
        Exception: what a model raises on several pictures, or ValueError where it gives no logits.
    """
    return [_ballot(model, batch) for model in models]


def score(gate: Model | None, batch: Floats) -> Floats | None:
    """The gate's log-odds [N] that each picture of a batch [N, 1, 28, 28] is one digit; None where there is no gate.

    Where it fails on a picture alone that is None too: the vote stands without it. On several it raises as `infer`.
    """
    if gate is None or gate.predict is None or gate.manifest is None:
        return None
    try:
        logits = _logits(gate, batch, 2)
    except Exception as error:
        _fails(gate, batch, error)
        return None
    return log_odds(logits, gate.manifest.temperature)


def _ballot(model: Model, batch: Floats) -> Ballot:
    if model.predict is None:
        return Ballot(model.name, model.manifest, None, "not loaded: see /health")
    try:
        return Ballot(model.name, model.manifest, _logits(model, batch, 10))
    except Exception as error:
        _fails(model, batch, error)
        told = _NOT_FINITE if str(error) == _NOT_FINITE else type(error).__name__
        return Ballot(model.name, model.manifest, None, f"failed on this batch: {told}")


def _logits(model: Model, batch: Floats, labels: int) -> Floats:
    """A loaded model's logits [N, labels]; raises ValueError where they are none, or not finite."""
    assert model.predict is not None  # noqa: S101 - for mypy
    logits = model.predict(batch)
    if logits.shape != (len(batch), labels) or not np.isfinite(logits).all():
        raise ValueError(_NOT_FINITE)
    return logits


def _fails(model: Model, batch: Floats, error: Exception) -> None:
    """Log that a model has failed on a picture; raise where there are several, or the device itself has failed."""
    if line := lost(error):
        raise DeviceLost(f"the device has failed: {line}") from error
    if len(batch) > 1:
        raise error
    log.error("model failed on a picture", model=model.name, exc_info=error)
