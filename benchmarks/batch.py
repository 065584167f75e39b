"""python -m benchmarks.batch [--artifacts DIR] [--pictures N] [--rounds N] [--data DIR]

MNIST's test digits as PNGs in a folder: how fast `POST /predict/batch` reads them alone, by requests that were put
together before, and how fast `python -m service predict FOLDER` turns them into a CSV, with its start and the files'
reading. Both send 256 pictures a request over as many connections, from a process beside the server's.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from threading import local

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.load import ROOT
from benchmarks.machine import hardware, versions
from benchmarks.servers import ours, running
from service.client.files import MOST, batches, find
from service.client.send import form
from trainer import mnist

CONNECTIONS = 3
_LINE = "digitvote-benchmark"


def write(pictures: NDArray[np.uint8], folder: Path) -> None:
    """Pictures [N, 28, 28] as PNGs."""
    for at, picture in enumerate(pictures):
        Image.fromarray(picture).save(folder / f"{at:05}.png")


def alone(port: int, bodies: Sequence[bytes]) -> float:
    """Seconds in which the route answers all bodies."""
    own, headers = local(), {"Content-Type": f"multipart/form-data; boundary={_LINE}"}

    def post(body: bytes) -> None:
        if not hasattr(own, "connection"):
            own.connection = HTTPConnection("127.0.0.1", port, timeout=120)
        own.connection.request("POST", "/predict/batch", body, headers)
        answer = own.connection.getresponse()
        told = answer.read()
        if answer.status != 200 or b'"failed":0' not in told:
            raise SystemExit(f"/predict/batch answered {answer.status}: {told[:300]!r}")

    started = time.perf_counter()
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        list(pool.map(post, bodies))
    return time.perf_counter() - started


def command(port: int, folder: Path, output: Path) -> float:
    """Seconds that the command takes for the folder, from its start to its end."""
    line = [sys.executable, "-m", "service", "predict", str(folder), "--url", f"http://127.0.0.1:{port}"]
    started = time.perf_counter()
    subprocess.run([*line, "--output", str(output), "--connections", str(CONNECTIONS)], cwd=ROOT, check=True)
    return time.perf_counter() - started


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser("python -m benchmarks.batch", description="Measure many pictures at once.")
    parser.add_argument("--artifacts", type=Path, default=ROOT / "artifacts")
    parser.add_argument("--pictures", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--data", type=Path, help="folder of MNIST's files; without it they are fetched")
    told = parser.parse_args()
    images = mnist.load(told.data, other=True).test_pictures[: told.pictures]
    rates: dict[str, list[float]] = {"the route alone": [], "the command": []}
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "digits")
        folder.mkdir()
        write(images, folder)
        bodies = [form(_LINE, paths, [path.read_bytes() for path in paths]) for paths in batches(find([str(folder)]))]
        with running(ours("torch", 1), told.artifacts.resolve()) as (port, _):
            alone(port, bodies[:CONNECTIONS])  # once, so that the first round is as the others
            for _ in range(told.rounds):  # interleaved, so that what else the machine does meets both alike
                rates["the route alone"].append(len(images) / alone(port, bodies))
                rates["the command"].append(len(images) / command(port, folder, Path(place, "digits.csv")))
    print("| | pictures/s (min to max) | of the route |\n|---|---|---|")
    for name, found in rates.items():
        share = statistics.median(found) / statistics.median(rates["the route alone"])
        print(f"| {name} | {statistics.median(found):,.0f} ({min(found):,.0f} to {max(found):,.0f}) | {share:.2f} |")
    print(f"\n{told.rounds} rounds of {len(images):,} PNGs of 28x28, {MOST} a request, {CONNECTIONS} connections;")
    print(f"{hardware()}; {versions('torch', 'fastapi', 'uvicorn', 'httpx')}; load average before: {load:.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
