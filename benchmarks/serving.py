"""python -m benchmarks.serving [--artifacts DIR] [--seconds S] [--rounds N]     (also: make bench)

A 28x28 PNG posted as multipart to the service on artifacts/, and to the floor: a FastAPI endpoint that only reads the
upload. Each is a uvicorn process of its own, as is the client; its share of the machine is in the figures.

| server | clients | requests/s (min to max) | p50 ms | p99 ms | of the floor | median batch | errors |
|---|---|---|---|---|---|---|---|
| floor | 1 | 3,223 (3,171 to 3,226) | 0.30 | 0.40 | 1.00 |  | 0 |
| digitvote | 1 | 341 (341 to 361) | 2.82 | 3.96 | 0.11 | 1 | 0 |
| floor | 32 | 4,920 (4,819 to 4,933) | 6.28 | 12.62 | 1.00 |  | 0 |
| digitvote | 32 | 1,006 (979 to 1,042) | 30.54 | 49.94 | 0.20 | 17 | 0 |

3 rounds of 5 s each, n = 141,808 requests; an earlier training of the same release on the CPU; AMD EPYC, 2 cores of a
shared virtual machine (load average before: 1.8); Python 3.11.7, torch 2.15.0, fastapi 0.165.0, uvicorn 0.54.0.
"""

import argparse
import gzip
import io
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path

import numpy as np
from fastapi import FastAPI, UploadFile
from PIL import Image

from benchmarks.machine import hardware, versions

ROOT = Path(__file__).parent.parent
CLIENTS = (1, 32)
_FIRST_PICTURE = slice(16, 16 + 28 * 28)  # of an IDX file


@dataclass(frozen=True)
class Server:
    """One of the two that are measured."""

    name: str
    path: str
    port: int


@dataclass
class Cell:
    """What one server gave at one number of clients, over all rounds."""

    rates: list[float] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)
    errors: int = 0


def create_floor() -> FastAPI:
    """The least that an upload can cost with FastAPI: an endpoint that reads the file and answers."""
    app = FastAPI()

    @app.post("/upload")
    async def upload(file: UploadFile) -> dict[str, int]:
        return {"bytes": len(await file.read())}

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"state": "ready"}

    return app


@contextmanager
def running(command: list[str], port: int, artifacts: Path) -> Iterator[None]:
    """A server in a process of its own, from its first good answer to the end of the block."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("DIGITVOTE_")}
    settings = {"DIGITVOTE_ARTIFACTS": str(artifacts), "DIGITVOTE_PORT": str(port), "DIGITVOTE_LOG_LEVEL": "warning"}
    process = subprocess.Popen(command, cwd=ROOT, env={**inherited, **settings}, stdout=subprocess.DEVNULL)
    try:
        wait_until_ready(process, port)
        yield
    finally:
        process.terminate()
        process.wait(30)


def wait_until_ready(process: subprocess.Popen[bytes], port: int, seconds: float = 120) -> None:
    """Return once /health answers 200; a server that ends, or does not answer in time, is an error."""
    answer = "nothing"
    for _ in range(int(seconds / 0.1)):
        if process.poll() is not None:
            raise SystemExit(f"the server on port {port} ended with status {process.returncode}")
        connection = HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/health")
            response = connection.getresponse()
            answer = f"{response.status} {response.read().decode()}"
            if response.status == 200:
                return
        except OSError:
            pass
        finally:
            connection.close()
        time.sleep(0.1)
    raise SystemExit(f"the server on port {port} is not ready after {seconds:g} s; /health gave {answer}")


def measure(server: Server, picture: bytes, clients: int, seconds: float, cell: Cell) -> None:
    """One round: a client process of its own adds what it saw to the cell."""
    command = [sys.executable, "-m", "benchmarks.client", str(server.port), server.path, f"--clients={clients}"]
    command += [f"--seconds={seconds}", f"--warm-up={min(1, seconds / 2)}"]
    done = subprocess.run(command, cwd=ROOT, input=picture, stdout=subprocess.PIPE, check=True)
    tally = json.loads(done.stdout)
    cell.rates.append(len(tally["latencies"]) / tally["seconds"])
    cell.latencies += tally["latencies"]
    cell.batches += tally["batches"]
    cell.errors += tally["errors"]


def digit() -> bytes:
    """A digit of MNIST's test set as a PNG of 28x28 pixels."""
    pixels = gzip.decompress((ROOT / "tests/data/t10k-images-idx3-ubyte.gz").read_bytes())[_FIRST_PICTURE]
    buffer = io.BytesIO()
    Image.frombytes("L", (28, 28), pixels).save(buffer, "PNG")
    return buffer.getvalue()


def table(cells: dict[tuple[str, int], Cell], floor: str) -> list[str]:
    """The figures as rows of Markdown."""
    rows = [
        "| server | clients | requests/s (min to max) | p50 ms | p99 ms | of the floor | median batch | errors |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for (name, clients), cell in cells.items():
        rate = statistics.median(cell.rates)
        share = rate / max(statistics.median(cells[floor, clients].rates), 1e-9)
        p50, p99 = np.percentile(cell.latencies, [50, 99]) if cell.latencies else (np.nan, np.nan)
        batch = f"{statistics.median(cell.batches):g}" if cell.batches else ""
        spread = f"{rate:,.0f} ({min(cell.rates):,.0f} to {max(cell.rates):,.0f})"
        rows.append(
            f"| {name} | {clients} | {spread} | {p50:.2f} | {p99:.2f} | {share:.2f} | {batch} | {cell.errors} |"
        )
    return rows


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports: list[int] = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def main() -> int:
    """Measure and print; the status is 1 if a request failed."""
    parser = argparse.ArgumentParser("python -m benchmarks.serving", description="Measure the service.")
    parser.add_argument("--artifacts", type=Path, default=ROOT / "artifacts")
    parser.add_argument("--seconds", type=float, default=5.0, help="length of a round")
    parser.add_argument("--rounds", type=int, default=3)
    told = parser.parse_args()
    floor, service = (
        Server(name, path, port)
        for (name, path), port in zip([("floor", "/upload"), ("digitvote", "/predict")], free_ports(2), strict=True)
    )
    uvicorn = [sys.executable, "-m", "uvicorn", "--factory", "benchmarks.serving:create_floor", "--no-access-log"]
    uvicorn += ["--log-level=warning", f"--port={floor.port}"]
    cells = {(server.name, clients): Cell() for clients in CLIENTS for server in (floor, service)}
    artifacts, picture, load = told.artifacts.resolve(), digit(), os.getloadavg()[0]
    with (
        running(uvicorn, floor.port, artifacts),
        running([sys.executable, "-m", "service"], service.port, artifacts),
    ):
        # Interleaved, so that what else the machine does meets both servers alike.
        for _ in range(told.rounds):
            for clients in CLIENTS:
                for server in (floor, service):
                    measure(server, picture, clients, told.seconds, cells[server.name, clients])
    print(*table(cells, floor.name), sep="\n")
    requests = sum(len(cell.latencies) for cell in cells.values())
    print(f"\n{told.rounds} rounds of {told.seconds:g} s each, n = {requests:,} requests of a 28x28 PNG; {hardware()};")
    print(f"{versions('torch', 'fastapi', 'uvicorn')}; load average before: {load:.1f}")
    return int(any(cell.errors for cell in cells.values()))


if __name__ == "__main__":
    sys.exit(main())
