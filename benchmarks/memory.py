"""python -m benchmarks.memory [--soak N] [--rounds N] [--seconds S] [--engine torch|onnx] [--workers N]

What the service takes beyond a process that only holds torch and the three models: memory (PSS of the process and its
children) after load, and seconds from the start until it is ready. With `--soak N` also the memory's curve over N more
requests of all three pictures: a service that leaks has none that is flat.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from statistics import median

from benchmarks.load import ROOT, Drive, Target, driver
from benchmarks.machine import conditions
from benchmarks.servers import Server, add_options, chosen, running, target
from benchmarks.uploads import PICTURES

_MIB = 1024  # of KiB, as /proc tells
_POINTS = 5  # of a curve, at least
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


def once(server: Server, artifacts: Path, drive: Drive, seconds: int) -> tuple[float, float, float]:
    """Seconds until the service is ready, and MiB then and after load."""
    started = time.perf_counter()
    with running(server, artifacts) as (port, process):
        ready, before = time.perf_counter() - started, pss(process.pid)
        for picture in PICTURES.values():
            drive(target(server, port, picture()), CLIENTS, seconds)
        return ready, before, pss(process.pid)


def soak(server: Server, artifacts: Path, drive: Drive, requests: int, seconds: int) -> list[tuple[int, float]]:
    """How many requests had been answered, and MiB then, again and again until there were as many as wanted."""
    curve: list[tuple[int, float]] = []
    with running(server, artifacts) as (port, process):
        targets: list[Target] = [target(server, port, picture()) for picture in PICTURES.values()]
        answered = 0
        for where in cycle(targets):
            answered += drive(where, CLIENTS, seconds).right
            if where is targets[-1]:  # all three, so that the points are alike
                curve.append((answered, pss(process.pid)))
                if answered >= requests and len(curve) >= _POINTS:
                    return curve
    return curve


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
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5, help="load with each picture")
    add_options(parser)
    told = parser.parse_args()
    load, server, drive = os.getloadavg()[0], chosen(told), driver("auto")
    floor: list[tuple[float, float]] = []
    ours: list[tuple[float, float, float]] = []
    for _ in range(told.rounds):  # one process at a time: what two hold in common would count by halves
        with holding(told.artifacts) as (seconds, process):
            floor.append((seconds, pss(process)))
        ours.append(once(server, told.artifacts, drive, told.seconds))
    held, loaded = [memory for _, memory in floor], [after for _, _, after in ours]
    print("| process | seconds to ready | MiB when ready | MiB after load |\n|---|---|---|---|")
    print(f"| torch and the models | {spread([one[0] for one in floor], 2)} | {spread(held, 0)} | |")
    start, before = spread([one[0] for one in ours], 2), spread([one[1] for one in ours], 0)
    print(f"| the service | {start} | {before} | {spread(loaded, 0)} |")
    times = median(one[0] for one in ours) / median(one[0] for one in floor)
    print(f"\nready after {times:.2f} of the time, {median(loaded) / median(held):.2f} of the memory;")
    print(f"{told.rounds} rounds; {server.name}, {server.workers} worker(s); {conditions(load)}")
    if told.soak:
        curve = soak(server, told.artifacts, drive, told.soak, told.seconds)
        print("\n| requests | MiB |\n|---|---|")
        print(*(f"| {count:,} | {memory:.1f} |" for count, memory in curve), sep="\n")
        print(f"\n{growth(curve):+.1f} MiB in a million requests, the first fifth left out")


if __name__ == "__main__":
    main()
