"""What several tests need: small real artifacts, pictures as files, and the service in a process of its own."""

import io
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import torch
import uvicorn
from fastapi import FastAPI
from PIL import Image, ImageDraw

from registry import store, torchscript
from registry.address import Address
from registry.golden import Golden
from registry.manifest import GATE, Manifest
from registry.publish import publish
from registry.rules import Floats
from tests.drafts import draft

ROOT = Path(__file__).parent.parent
RELEASE = ROOT / "artifacts"
# Errors of POST /feedback alone.
OF_FEEDBACK = {"feedback-off", "feedback-full", "feedback-unavailable", "unknown-answer", "wrong-feedback"}


def committed(model: str) -> int:
    """The committed version of a model: the oldest, as what was published beside it since is newer."""
    return store.versions(RELEASE, model)[0]


class Linear(torch.nn.Module):
    """The smallest model that fits the contract: a seeded linear layer."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        weights = np.random.default_rng(seed).normal(0, 0.3, (10, 784)).astype(np.float32)
        self.weight = torch.nn.Parameter(torch.from_numpy(weights))

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Logits [N, 10] of pictures [N, 1, 28, 28]."""
        return pictures.flatten(1) @ self.weight.t()


class Ink(torch.nn.Module):
    """A gate that takes a picture for one digit the more, the more ink it holds."""

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Logits [N, 2] of pictures [N, 1, 28, 28]."""
        ink = pictures.flatten(1).sum(1)
        return torch.stack([torch.zeros_like(ink), ink], dim=1)


class Fragile(Linear):
    """Raises on a batch that holds a picture with much ink."""

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Logits [N, 10] of pictures [N, 1, 28, 28]."""
        if bool((pictures.flatten(1).sum(1) > 150).any()):
            raise ValueError("too much ink")
        return pictures.flatten(1) @ self.weight.t()


class Nowhere(Linear):
    """Gives no numbers for a batch that holds a picture with much ink."""

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Logits [N, 10] of pictures [N, 1, 28, 28], or NaN."""
        logits = pictures.flatten(1) @ self.weight.t()
        if bool((pictures.flatten(1).sum(1) > 150).any()):
            logits = logits * float("nan")
        return logits


def golden_pictures(count: int = 4) -> Floats:
    """Sparse random pictures [count, 1, 28, 28]."""
    noise = np.random.default_rng(0).random((count, 1, 28, 28), dtype=np.float32)
    return np.where(noise > 0.9, noise, np.float32(0))


def publish_model(root: Path, name: str, module: torch.nn.Module, **changes: Any) -> Manifest:
    """Publish a module as the next version of `name`, with golden digits that it passes."""
    content = torchscript.dump(module)
    pictures = golden_pictures()
    golden = Golden(pictures, torchscript.predictor(torchscript.load(content))(pictures))
    return publish(root, draft(name, **changes), {"model.pt": content, "golden.npz": golden.dump()})


def publish_three(root: Path) -> Path:
    """Three linear models under the names that vote by default, and a gate that lets all through."""
    publish_model(root, GATE, Ink())
    for seed, name in enumerate(("mlp", "cnn", "lenet5")):
        publish_model(root, name, Linear(seed), weight=1.0 + seed)
    return root


def cells(printed: str) -> list[list[str]]:
    """The rows of the Markdown tables in what was printed, cell by cell, headers among them."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in printed.splitlines() if line[:1] == "|"]


def drawing(seed: int = 0, size: int = 100, width: int = 8) -> Image.Image:
    """A seeded scribble, dark on white, grayscale [size, size]."""
    points = np.random.default_rng(seed).uniform(0.2, 0.8, (6, 2)) * size
    image = Image.new("L", (size, size), 255)
    ImageDraw.Draw(image).line([tuple(point) for point in points.tolist()], fill=0, width=width, joint="curve")
    return image


def encoded(image: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    """A picture as the bytes of a file."""
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


@dataclass
class Process:
    """`python -m service` in a process of its own."""

    url: str
    process: subprocess.Popen[str]
    output: list[str] = field(default_factory=list)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and return the exit status."""
        self.process.send_signal(number)
        return self.process.wait(30)


@contextmanager
def serving(
    artifacts: Path | Address, *, command: tuple[str, ...] = (sys.executable, "-m", "service"), **settings: object
) -> Iterator[Process]:
    """Run the service on a free port until the block ends; yields once it says that it serves."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DIGITVOTE_")}
    environment |= {"DIGITVOTE_ARTIFACTS": str(artifacts), "DIGITVOTE_PORT": "0", "PYTHONUNBUFFERED": "1"}
    environment["DIGITVOTE_DRAIN_SECONDS"] = "0"  # which most tests would only wait for
    environment |= {f"DIGITVOTE_{name.upper()}": str(value) for name, value in settings.items()}
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    running = Process("", process)
    served = threading.Event()

    def listen() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            running.output.append(line)
            if found := re.search(r"digitvote is \w+ at (https?://\S+)", line):
                running.url = found[1]
                served.set()
        served.set()

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    try:
        assert served.wait(180), "the service did not say in time that it serves"
        assert running.url, "".join(running.output)
        yield running
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)  # make's own child too
        process.wait()
        listener.join()
        assert process.stdout is not None
        process.stdout.close()


@contextmanager
def hosting(app: FastAPI, port: int = 0) -> Iterator[httpx.Client]:
    """Run an application under uvicorn in a thread of this process, and yield a client of it."""
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the application did not start"
        time.sleep(0.005)
    port = server.servers[0].sockets[0].getsockname()[1]
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
        yield client
    server.should_exit = True
    thread.join()


def wait_until_loaded(client: httpx.Client) -> dict[str, Any]:
    """The health answer once the models are loaded, or failed to."""
    for _ in range(600):
        health: dict[str, Any] = client.get("/health").json()
        assert "state" in health, health
        if health["state"] != "starting":
            return health
        time.sleep(0.02)
    raise AssertionError("the models were not loaded in time")
