"""python -m benchmarks.threads [--picture 28] [--clients N...] [--rounds N] [--seconds S] [--engine torch|onnx]

The processor's time that a request takes, by thread of the service. Others' work on the machine changes it by a tenth
or two where rates change by half; `runs` and `waits` are how much of the time a thread had a core, or was due one.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.load import Drive, Outcome, Target, driver
from benchmarks.machine import conditions
from benchmarks.memory import spread
from benchmarks.servers import add_options, chosen, running, target
from benchmarks.uploads import PICTURES

_NANO = 1e-9  # as the kernel tells seconds


@dataclass(frozen=True)
class Taken:
    """Seconds for which threads had a core, and were due one and had none."""

    ran: float = 0.0
    waited: float = 0.0

    def __add__(self, other: "Taken") -> "Taken":
        return Taken(self.ran + other.ran, self.waited + other.waited)

    def __sub__(self, other: "Taken") -> "Taken":
        return Taken(self.ran - other.ran, self.waited - other.waited)


def taken(process: int) -> tuple[Taken, Taken]:
    """What a process and its children have taken: the first threads, on which event loops run, and the others."""
    first, others = Taken(), Taken()
    for thread in Path(f"/proc/{process}/task").iterdir():
        ran, waited, _ = (int(number) * _NANO for number in (thread / "schedstat").read_text().split())
        if int(thread.name) == process:
            first += Taken(ran, waited)
        else:
            others += Taken(ran, waited)
    for child in Path(f"/proc/{process}/task/{process}/children").read_text().split():
        loops, threads = taken(int(child))
        first, others = first + loops, others + threads
    return first, others


def row(name: str, clients: int, outcomes: Sequence[Outcome], parts: Sequence[Taken]) -> str:
    """One line of the table, of the threads named so: medians of the rounds."""
    each = [part.ran / outcome.right * 1e6 for outcome, part in zip(outcomes, parts, strict=True)]
    runs, waits = (
        median(getattr(part, what) / outcome.seconds for outcome, part in zip(outcomes, parts, strict=True))
        for what in ("ran", "waited")
    )
    return f"| {clients} | {name} | {spread(each, 0)} | {runs:.0%} | {waits:.0%} |"


def measure(
    where: Target, process: int, clients: int, drive: Drive, told: argparse.Namespace
) -> tuple[list[Outcome], list[Taken], list[Taken]]:
    """What each round saw, and what the first threads and the others took in it."""
    drive(where, clients, 1)  # warm
    outcomes, loops, threads = [], [], []
    for _ in range(told.rounds):
        before = taken(process)
        outcomes.append(drive(where, clients, told.seconds))
        first, others = taken(process)
        loops.append(first - before[0])
        threads.append(others - before[1])
    return outcomes, loops, threads


def main() -> int:
    """Measure and print; the status is 1 if an answer was wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--picture", choices=list(PICTURES), default="28")
    parser.add_argument("--clients", nargs="+", type=int, default=[1, 32])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3, help="length of a round")
    add_options(parser)
    told = parser.parse_args()
    load, server, drive = os.getloadavg()[0], chosen(told), driver("auto")
    answers = errors = 0
    print("| clients | threads | µs a request (min to max) | runs | waits |\n|---|---|---|---|---|")
    with running(server, told.artifacts) as (port, process):
        where = target(server, port, PICTURES[told.picture]())
        for clients in told.clients:
            outcomes, loops, threads = measure(where, process.pid, clients, drive, told)
            print(row("event loop", clients, outcomes, loops), row("others", clients, outcomes, threads), sep="\n")
            answers += sum(outcome.right for outcome in outcomes)
            errors += sum(outcome.errors for outcome in outcomes)
    print(f"\n{told.rounds} rounds of {told.seconds} s; n = {answers:,}; {server.name}, {server.workers} worker(s);")
    print(conditions(load))
    return int(errors > 0)


if __name__ == "__main__":
    sys.exit(main())
