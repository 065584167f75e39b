"""All models on a batch: a batch goes in, ballots and the gate's scores come out."""

from collections.abc import Sequence

import numpy as np
import structlog

from registry.rules import Floats, log_odds
from service.models import Model
from service.vote import Ballot

log = structlog.get_logger("service")


def infer(models: Sequence[Model], batch: Floats) -> list[Ballot]:
    """Run every model on a batch [N, 1, 28, 28]; one that raises gives an empty ballot, not an error."""
    return [_ballot(model, batch) for model in models]


def score(gate: Model | None, batch: Floats) -> Floats | None:
    """The gate's log-odds [N] that each picture of a batch [N, 1, 28, 28] is one digit; None where it gives none."""
    if gate is None or gate.predict is None or gate.manifest is None:
        return None
    try:
        logits = gate.predict(batch)
    except Exception:  # the vote stands without it
        log.exception("gate failed on a batch", batch_size=len(batch))
        return None
    if logits.shape != (len(batch), 2) or not np.isfinite(logits).all():
        log.error("gate gave no logits", shape=logits.shape, batch_size=len(batch))
        return None
    return log_odds(logits, gate.manifest.temperature)


def _ballot(model: Model, batch: Floats) -> Ballot:
    if model.predict is None:
        return Ballot(model.name, model.manifest, None, "not loaded: see /health")
    try:
        logits = model.predict(batch)
    except Exception as error:  # a missing vote for this batch; the other models' votes stand
        log.exception("model failed on a batch", model=model.name, batch_size=len(batch))
        return Ballot(model.name, model.manifest, None, f"failed on this batch: {type(error).__name__}")
    if logits.shape != (len(batch), 10) or not np.isfinite(logits).all():
        log.error("model gave no logits", model=model.name, shape=logits.shape, batch_size=len(batch))
        return Ballot(model.name, model.manifest, None, "failed on this batch: gave no finite logits")
    return Ballot(model.name, model.manifest, logits)
