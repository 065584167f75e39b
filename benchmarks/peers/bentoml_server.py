"""BentoML with adaptive batching.

docs.bentoml.com, "Adaptive batching": a batchable method of a service, which its dispatcher calls with lists; the
dispatcher learns by itself how long to wait.
"""

# What it imports is in .venv-peers.
# mypy: ignore-errors

import os
import sys
from typing import Any

import bentoml
import torch
from PIL.Image import Image

from benchmarks import plain
from benchmarks.peers import MAX_BATCH


@bentoml.service(workers=1)
class Digits:
    """The three models."""

    def __init__(self) -> None:
        self.models = plain.models()

    @bentoml.api(batchable=True, max_batch_size=MAX_BATCH, route="/predict")
    def predict(self, pictures: list[Image]) -> list[dict[str, Any]]:
        """The answers to a batch; BentoML opens the files, Pillow decodes them here."""
        batch = torch.stack([plain.prepare(picture) for picture in pictures])
        return [plain.answer(one) for one in plain.predict(self.models, batch)]


if __name__ == "__main__":
    serve = [sys.executable, "-m", "bentoml", "serve", "benchmarks.peers.bentoml_server:Digits"]
    os.execv(sys.executable, [*serve, "--host", "127.0.0.1", "--port", sys.argv[1]])
