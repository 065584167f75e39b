"""Manifests for tests; without torch, so that a process that only publishes starts quickly."""

from datetime import UTC, datetime
from typing import Any

from registry.manifest import GATE, Manifest, Tensor, labels_of


def draft(name: str, **changes: Any) -> Manifest:
    """A manifest that is whole but for what `publish` fills in."""
    values: dict[str, Any] = {
        "name": name,
        "version": 1,
        "sha256": "0" * 64,
        "files": {},
        "input": Tensor(name="INPUT__0", shape=[1, 28, 28], meaning="white ink on black in 0..1"),
        "output": Tensor(name="OUTPUT__0", shape=[len(labels_of(name))], meaning="logits"),
        "labels": list(labels_of(name)),
        "parameters": 7840,
        "metrics": {},
        "temperature": 1.0,
        "weight": 1.0,
        "thresholds": {"balanced": -1e9, "strict": -1e9} if name == GATE else {},
        "recipe": {},
        "data": [],
        "torch": "2.15.0",
        "commit": None,
        "seconds": 0.0,
        "device": "cpu",
        "created": datetime.now(UTC),
    }
    return Manifest(**{**values, **changes})
