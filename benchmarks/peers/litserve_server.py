"""LitServe: decodes, predicts and answers in a worker process, in batches.

lightning.ai/docs/litserve/features/batching: `max_batch_size` and `batch_timeout` of the LitAPI.
"""

# What it imports is in .venv-peers.
# mypy: ignore-errors

import sys
from typing import Any

import litserve
import torch
from fastapi import Request

from benchmarks import plain
from benchmarks.peers import MAX_BATCH


class Digits(litserve.LitAPI):
    """The three models."""

    def setup(self, device: str) -> None:  # noqa: ARG002
        """Load them."""
        self.models = plain.models()

    def decode_request(self, request: Request) -> torch.Tensor:
        """One picture, out of a form: the annotation says that it may be one."""
        return plain.decode(request["file"].file.read())

    def batch(self, inputs: list[torch.Tensor]) -> torch.Tensor:
        """Pictures to a batch."""
        return torch.stack(inputs)

    def predict(self, batch: torch.Tensor) -> torch.Tensor:
        """Probabilities of a batch."""
        return plain.predict(self.models, batch)

    def unbatch(self, output: torch.Tensor) -> list[torch.Tensor]:
        """Probabilities of each picture."""
        return list(output)

    def encode_response(self, output: torch.Tensor) -> dict[str, Any]:
        """The answer to one."""
        return plain.answer(output)


if __name__ == "__main__":
    api = Digits(max_batch_size=MAX_BATCH, batch_timeout=0.01)
    litserve.LitServer(api, accelerator="cpu").run(
        port=int(sys.argv[1]), generate_client_file=False, log_level="warning"
    )
