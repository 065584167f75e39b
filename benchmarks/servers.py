"""The servers that are measured, each a process of its own for as long as a block runs."""

import argparse
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from http.client import HTTPConnection
from pathlib import Path
from types import MappingProxyType

from benchmarks.load import ROOT, Target
from benchmarks.uploads import Upload, digit, multipart
from service.settings import variables
from tests.mnist import labels

_UVICORN = (sys.executable, "-m", "uvicorn", "--no-access-log", "--log-level=warning", "--port={port}")
# As urgent as the others, which by default Ray's processes are not.
_RAY = {"RAY_worker_niceness": "0", "RAY_USAGE_STATS_ENABLED": "0", "RAY_enable_worker_prestart": "0"}
_CHECKED = 10  # digits that a server must read right before it is measured


class Unfit(Exception):
    """A server cannot be measured; the message says why."""


@dataclass(frozen=True)
class Server:
    """How a server is started, asked and understood; `{port}` stands for its port."""

    name: str
    command: tuple[str, ...]
    workers: int = 1
    environment: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    path: str = "/predict"
    ready: str = "/health"
    label: str | None = r'\{"label": ?(\d)'  # where the digit stands in its answer; None: it reads none
    pack: Callable[[bytes], Upload] = multipart

    @property
    def missing(self) -> str | None:
        """Why it cannot even be started, if so."""
        unknown = [name for name in self.environment if name.startswith("DIGITVOTE_") and name not in variables()]
        if unknown:
            return f"the service has no setting {unknown[0]}"
        return None if Path(self.command[0]).exists() else f"{self.command[0]} is missing: make bench-peers installs it"


def ours(engine: str, workers: int) -> Server:
    """The service on an engine; torch and one worker are its defaults."""
    settings = {"DIGITVOTE_PORT": "{port}", "DIGITVOTE_LOG_LEVEL": "warning"}
    if engine != "torch":
        settings["DIGITVOTE_ENGINE"] = engine
    if workers > 1:
        settings["DIGITVOTE_WORKERS"] = str(workers)
    return Server(engine, (sys.executable, "-m", "service"), workers, settings)


def clustered(one: Server, name: str, replicas: int, more: Mapping[str, str] = MappingProxyType({})) -> Server:
    """The same service by Ray Serve, in a cluster of this machine with so many replicas of the models."""
    # Two replicas of the models are half a CPU each to Ray, so that two cores hold all; a batch has one thread anyway.
    scale = (f"--vote={replicas}", f"--cpus={1 / replicas}", "--ingress=1", "--decode=1")
    command = (*one.command, "cluster", "up", *scale)
    return replace(one, name=name, command=command, environment={**one.environment, **_RAY, **more})


def _theirs(name: str, workers: int, label: str | None) -> Server:
    command = (*_UVICORN, f"--workers={workers}", f"benchmarks.{name}:app")
    return Server(name, command, workers, label=label)


def own() -> list[Server]:
    """The floor, the tutorial's service and ours on each engine, with one worker and with two."""
    makers: list[Callable[[int], Server]] = [
        lambda workers: _theirs("floor", workers, None),
        lambda workers: _theirs("tutorial", workers, Server.label),
        lambda workers: ours("torch", workers),
        lambda workers: ours("onnx", workers),
    ]
    return [make(workers) for workers in (1, 2) for make in makers]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Which service is measured, as every benchmark asks."""
    parser.add_argument("--engine", choices=["torch", "onnx"], default="torch")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--artifacts", type=Path, default=ROOT / "artifacts")


def chosen(told: argparse.Namespace) -> Server:
    """The service that those options ask for; its artifacts are made absolute."""
    told.artifacts = told.artifacts.resolve()
    return ours(told.engine, told.workers)


@contextmanager
def running(server: Server, artifacts: Path) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """Start a server; yields its port and process once it is ready, and ends it with all that it started.

    Raises:
        Unfit: if it cannot be started, with the last line that it wrote.
    """
    if server.missing:
        raise Unfit(server.missing)
    port = _free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DIGITVOTE_")}
    environment |= {"DIGITVOTE_ARTIFACTS": str(artifacts)}
    environment |= {name: value.format(port=port) for name, value in server.environment.items()}
    command = [part.format(port=port) for part in server.command]
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=output, stderr=output, start_new_session=True
        )
        try:
            _wait_until_ready(server, port, process)
            yield port, process
        except Unfit as error:
            output.seek(0)
            lines = output.read().decode(errors="replace").strip().splitlines()
            raise Unfit(f"{error}: {lines[-1]}" if lines else str(error)) from None
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(30)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait_until_ready(server: Server, port: int, process: subprocess.Popen[bytes], seconds: float = 180) -> None:
    answer = "nothing"
    end = time.monotonic() + seconds
    while time.monotonic() < end and '"failed"' not in answer:
        if process.poll() is not None:
            raise Unfit(f"it ended with status {process.returncode}")
        with suppress(OSError):
            status, answer = _ask(port, "GET", server.ready)
            if status == 200:
                return
        time.sleep(0.02)
    raise Unfit(f"it is not ready; {server.ready} gave {answer}")


def _ask(port: int, method: str, path: str, upload: Upload | None = None) -> tuple[int, str]:
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        headers = {"Content-Type": upload.content_type} if upload else {}
        connection.request(method, path, upload.body if upload else None, headers)
        response = connection.getresponse()
        return response.status, response.read().decode(errors="replace")
    finally:
        connection.close()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def check(server: Server, port: int) -> None:
    """See that a server reads digits of MNIST's test set right.

    Raises:
        Unfit: if it does not.
    """
    for row in range(_CHECKED if server.label else 0):
        found = re.search(server.label or "", target(server, port, digit(row)).expected)
        if found is None or int(found[1]) != labels()[row]:
            raise Unfit(f"test digit {row} is a {labels()[row]}, it answers {found and found[1]}")


def target(server: Server, port: int, picture: bytes) -> Target:
    """Where to post a picture to, and what its first answer says of its label: what each answer must say.

    Raises:
        Unfit: if the answer is no 200 with a label.
    """
    upload = server.pack(picture)
    status, answer = _ask(port, "POST", server.path, upload)
    found = re.search(server.label or r'"bytes": ?\d+', answer)
    if status != 200 or found is None:
        raise Unfit(f"it answers {status}: {answer[:200]}")
    return Target(port, server.path, upload, found[0])
