"""MLServer with adaptive batching, over the Open Inference Protocol: it takes no forms.

docs.seldon.ai/mlserver, "Adaptive Batching": `max_batch_size` and `max_batch_time` of the model; "Custom Inference
Runtimes": a class with `load` and `predict`. Requests are joined along their tensors' first dimension.
"""

# What it imports is in .venv-peers.
# mypy: ignore-errors

import asyncio
import json
import socket
import sys

import torch
from mlserver import MLModel, MLServer, ModelSettings, Settings
from mlserver.codecs import Base64Codec, NumpyCodec, StringCodec
from mlserver.types import InferenceRequest, InferenceResponse

from benchmarks import plain
from benchmarks.peers import MAX_BATCH


class Digits(MLModel):
    """The three models."""

    async def load(self) -> bool:
        """Load them."""
        self.models = plain.models()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """The answers to a batch: labels, and the votes as JSON."""
        pictures = [plain.decode(content) for content in Base64Codec.decode_input(payload.inputs[0])]
        answers = [plain.answer(one) for one in plain.predict(self.models, torch.stack(pictures))]
        label = NumpyCodec.encode_output("label", torch.tensor([[one["label"]] for one in answers]).numpy())
        votes = StringCodec.encode_output("votes", [json.dumps(one) for one in answers])
        return InferenceResponse(model_name=self.name, outputs=[label, votes])


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


async def main(port: int) -> None:
    """Serve until SIGTERM."""
    # By its importable name: the worker process imports the class.
    from benchmarks.peers.mlserver_server import Digits as Runtime

    settings = Settings(host="127.0.0.1", http_port=port, grpc_port=_free_port(), metrics_endpoint=None)
    model = ModelSettings(name="digits", implementation=Runtime, max_batch_size=MAX_BATCH, max_batch_time=0.01)
    await MLServer(settings).start([model])


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
