"""Ray Serve with dynamic request batching, behind HAProxy.

docs.ray.io, "Dynamic Request Batching": `serve.batch`; `max_ongoing_requests` must let a batch come together.
"Enable High Throughput": HAProxy instead of Python's proxy, and direct calls, both by variables of the environment.
"""

# What it imports is in .venv-peers.
# mypy: ignore-errors

import os
import signal
import sys
import threading
from typing import Any

os.environ.setdefault("RAY_SERVE_ENABLE_HA_PROXY", "1")
os.environ.setdefault("RAY_SERVE_THROUGHPUT_OPTIMIZED", "1")
os.environ.setdefault("RAY_worker_niceness", "0")  # 15 by default, which beside the client would count against it

import ray
import torch
from ray import serve
from starlette.requests import Request

from benchmarks import plain
from benchmarks.peers import MAX_BATCH


@serve.deployment(max_ongoing_requests=2 * MAX_BATCH)
class Digits:
    """The three models."""

    def __init__(self) -> None:
        self.models = plain.models()

    async def __call__(self, request: Request) -> dict[str, Any]:
        """The answer to one request."""
        async with request.form() as form:
            picture = plain.decode(await form["file"].read())
        return await self.predict(picture)

    @serve.batch(max_batch_size=MAX_BATCH, batch_wait_timeout_s=0.01)
    async def predict(self, pictures: list[torch.Tensor]) -> list[dict[str, Any]]:
        """The answers to a batch."""
        return [plain.answer(one) for one in plain.predict(self.models, torch.stack(pictures))]


if __name__ == "__main__":
    ended = threading.Event()
    ray.init(include_dashboard=False, log_to_driver=False)
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1])})
    serve.run(Digits.bind(), route_prefix="/predict")
    ended.wait()
    serve.shutdown()
    ray.shutdown()
