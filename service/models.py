"""A version of a model, loaded once it has proved itself, or why there is none."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from registry.manifest import Manifest
from registry.objects import StoreError
from registry.open import open_version
from registry.store import Stamp
from service.engine.engine import Engine, Predict
from service.source import Source

Step = Literal["verify", "load", "golden", "warm"]


@dataclass(frozen=True)
class Model:
    """One model that should vote, or the gate: loaded (`predict` is there) or not (`reason` is)."""

    name: str
    manifest: Manifest | None = None
    predict: Predict | None = None
    reason: str | None = None
    stamp: Stamp | None = None  # of its files before they were read

    @property
    def version(self) -> int | None:
        """The version that is loaded."""
        return self.manifest.version if self.manifest else None


class LoadError(Exception):
    """A version that must not be served; the message says why, `step` at what it failed."""

    def __init__(self, step: Step, error: Exception) -> None:
        super().__init__(str(error).strip() or repr(error))
        self.step = step


def take(source: Source, name: str, version: int) -> None:
    """Have a version's files at hand.

    Raises:
        LoadError: if they are not those that its manifest names.
        StoreError: if they cannot be had now.
    """
    try:
        source.take(name, version)
    except StoreError:
        raise
    except Exception as error:
        raise LoadError("verify", error) from error


def load_version(artifacts: Path, name: str, version: int, engine: Engine, max_batch: int) -> tuple[Manifest, Predict]:
    """Load one version: verified by sha256, held against its manifest and its golden digits, warmed up.

    Raises:
        LoadError: whatever is wrong with it.
    """
    step: Step = "verify"
    try:
        artifact = open_version(artifacts, name, version)
        step = "load"
        predict = engine.predictor(artifact)
        step = "golden"
        artifact.golden.check(predict)
        step = "warm"
        _warm_up(predict, max_batch)
    except Exception as error:
        raise LoadError(step, error) from error
    return artifact.manifest, predict


def _warm_up(predict: Predict, max_batch: int) -> None:
    """Run the batch sizes at both ends: the first two runs of a module compile it, of any batch but a lone picture."""
    for size in (1, 1, 2, 2, max_batch):
        predict(np.zeros((size, 1, 28, 28), np.float32))
