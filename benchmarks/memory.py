"""python -m benchmarks.memory [--soak N] [--pictures 28 ...] [--rounds N] [--seconds S] [--engine torch|onnx]

What the service takes beyond a process that only holds torch and the three models: memory (PSS of the process and its
children) after load, and seconds from the start until it is ready. With `--soak N` also the memory's curve over N more
requests of all these pictures: a service that leaks has none that is flat. `--rounds 0` measures that alone.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from benchmarks.load import ROOT, Drive, driver
from benchmarks.machine import conditions
from benchmarks.servers import Server, add_options, chosen, running, target
from benchmarks.uploads import PICTURES

_MIB = 1024  # of KiB, as /proc tells
_POINTS = 20  # of a curve
CLIENTS = 32


def pss(process: int) -> float:
    """MiB that a process and its children take, each shared page counted in parts."""
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / _MIB + sum(pss(int(child)) for child in children)
    raise RuntimeError(f"/proc/{process}/smaps_rollup tells no Pss")


@contextmanager
def holding(artifacts: Path) -> Iterator[tuple[float, int]]:
    """A process that only holds torch and the models: seconds until it does, and its id."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "benchmarks.models", str(artifacts)]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        if process.stdout.readline() != "ready\n":
            raise SystemExit("benchmarks.models ended early")
        yield time.perf_counter() - started, process.pid
        process.stdin.close()


def once(
    server: Server, artifacts: Path, drive: Drive, seconds: int, pictures: Sequence[str]
) -> tuple[float, float, float]:
    """Seconds until the service is ready, and MiB then and after load."""
    started = time.perf_counter()
    with running(server, artifacts) as (port, process):
        ready, before = time.perf_counter() - started, pss(process.pid)
        for picture in pictures:
            drive(target(server, port, PICTURES[picture]()), CLIENTS, seconds)
        return ready, before, pss(process.pid)


def soak(
    server: Server, artifacts: Path, drive: Drive, requests: int, seconds: int, pictures: Sequence[str]
) -> Iterator[tuple[int, float]]:
    """How many requests had been answered, and MiB then, from the start until there were as many as wanted."""
    with running(server, artifacts) as (port, process):
        targets = [target(server, port, PICTURES[picture]()) for picture in pictures]
        answered, told = 0, 0
        yield answered, pss(process.pid)
        while answered < requests:
            answered += sum(drive(where, CLIENTS, seconds).right for where in targets)  # of all, so points are alike
            if answered >= min(requests, told + requests // _POINTS):
                told = answered
                yield answered, pss(process.pid)


def growth(curve: Sequence[tuple[int, float]]) -> float:
    """MiB in a million requests, by a straight line through the curve without its first fifth."""
    settled = curve[len(curve) // 5 :]
    middle = sum(count for count, _ in settled) / len(settled)
    spread = sum((count - middle) ** 2 for count, _ in settled)
    return 1e6 * sum((count - middle) * memory for count, memory in settled) / spread if spread else float("nan")


def spread(values: Sequence[float], digits: int) -> str:
    """A median and its range."""
    return f"{median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--soak", type=int, metavar="N", help="requests of the soak")
    parser.add_argument("--pictures", nargs="+", choices=list(PICTURES), default=list(PICTURES))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5, help="load with each picture")
    add_options(parser)
    told = parser.parse_args()
    load, server, drive = os.getloadavg()[0], chosen(told), driver("auto")
    if told.rounds:
        compare(server, told, drive)
    if told.soak:
        print("\n| requests | MiB |\n|---|---|")
        curve: list[tuple[int, float]] = []
        for count, memory in soak(server, told.artifacts, drive, told.soak, told.seconds, told.pictures):
            curve.append((count, memory))
            print(f"| {count:,} | {memory:.1f} |", flush=True)
        print(f"\n{growth(curve):+.1f} MiB in a million requests, the first fifth left out")
    print(f"\n{told.rounds} rounds; {server.name}, {server.workers} worker(s); {conditions(load)}")


def compare(server: Server, told: argparse.Namespace, drive: Drive) -> None:
    """Print what the service takes beside torch and the models alone."""
    floor: list[tuple[float, float]] = []
    ours: list[tuple[float, float, float]] = []
    for _ in range(told.rounds):  # one process at a time: what two hold in common would count by halves
        with holding(told.artifacts) as (seconds, process):
            floor.append((seconds, pss(process)))
        ours.append(once(server, told.artifacts, drive, told.seconds, told.pictures))
    held, loaded = [memory for _, memory in floor], [after for _, _, after in ours]
    print("| process | seconds to ready | MiB when ready | MiB after load |\n|---|---|---|---|")
    print(f"| torch and the models | {spread([one[0] for one in floor], 2)} | {spread(held, 0)} | |")
    start, before = spread([one[0] for one in ours], 2), spread([one[1] for one in ours], 0)
    print(f"| the service | {start} | {before} | {spread(loaded, 0)} |")
    times = median(one[0] for one in ours) / median(one[0] for one in floor)
    print(f"\nready after {times:.2f} of the time, {median(loaded) / median(held):.2f} of the memory")


if __name__ == "__main__":
    main()
