"""What is loaded: for each model that votes, its newest version, or why there is none."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import structlog

from registry import store
from registry.errors import ArtifactError
from registry.golden import Golden
from registry.manifest import Manifest
from registry.open import open_version
from service import metrics
from service.engine.engine import Engine, Predict

log = structlog.get_logger("service")


@dataclass(frozen=True)
class Model:
    """One model that should vote, or the gate: loaded (`predict` is there) or not (`reason` is)."""

    name: str
    manifest: Manifest | None = None
    predict: Predict | None = None
    reason: str | None = None


def load_models(artifacts: Path, names: Sequence[str], engine: Engine, max_batch: int) -> list[Model]:
    """Load, check and warm up the newest version of each model; what fails is logged and keeps its reason."""
    return [load_model(artifacts, name, engine, max_batch) for name in names]


def load_model(artifacts: Path, name: str, engine: Engine, max_batch: int) -> Model:
    """Load the newest version of one model: verified by sha256, held against its golden digits, warmed up."""
    metrics.loading(name)
    manifest: Manifest | None = None
    try:
        version = store.latest(artifacts, name)
        if version is None:
            found = f"no version of it in {artifacts}" if artifacts.is_dir() else f"there is no folder {artifacts}"
            raise ArtifactError(f"{found}: train one, or set DIGITVOTE_ARTIFACTS")
        artifact = open_version(artifacts, name, version)
        manifest = artifact.manifest
        predict = engine.predictor(artifact)
        artifact.golden.check(predict)
        _warm_up(predict, artifact.golden, max_batch)
    except Exception as error:  # whatever is wrong with one model, the others vote
        reason = str(error).strip() or repr(error)
        log.error("model not loaded", model=name, reason=reason)
        metrics.not_loaded(name)
        return Model(name, manifest, reason=reason)
    log.info("model loaded", model=name, version=version, device=engine.device)
    metrics.loaded(manifest)
    return Model(name, manifest, metrics.timed(predict, manifest))


def _warm_up(predict: Predict, golden: Golden, max_batch: int) -> None:
    """Run the batch sizes at both ends twice: the first runs of a module compile it."""
    for size in (1, 2, max_batch):
        pictures = np.resize(golden.pictures, (size, 1, 28, 28))
        for _ in range(2):
            predict(pictures)
