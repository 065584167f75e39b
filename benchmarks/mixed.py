"""python -m benchmarks.mixed [--small N] [--large N] [--rounds N] [--seconds S] [--engine torch|onnx] [--workers N]

Clients that post a 28x28 PNG, alone, and beside others that post a 1600x1200 JPEG, each as soon as it has its answer.
The p99 of the small pictures should stay within four times what it is alone.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from statistics import median

from benchmarks.load import Outcome, driver
from benchmarks.machine import conditions
from benchmarks.servers import add_options, chosen, running, target
from benchmarks.uploads import PICTURES


def row(name: str, outcomes: Sequence[Outcome], alone: Sequence[Outcome]) -> str:
    """One line of the table: medians of the rounds, and how the p99 stands to that of the same round alone."""
    rate, p50, p99 = (median(getattr(outcome, part) for outcome in outcomes) for part in ("rate", "p50", "p99"))
    ratios = [outcome.p99 / calm.p99 for outcome, calm in zip(outcomes, alone, strict=True)]
    spread = f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})" if outcomes is not alone else ""
    return f"| {name} | {rate:,.0f} | {p50:.2f} | {p99:.2f} | {spread} | {sum(one.errors for one in outcomes)} |"


def main() -> int:
    """Measure and print; the status is 1 if an answer was wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", type=int, default=8, help="clients that post the small picture")
    parser.add_argument("--large", type=int, default=2, help="clients that post the large one")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=10, help="length of a round")
    add_options(parser)
    told = parser.parse_args()
    load, server, drive = os.getloadavg()[0], chosen(told), driver("auto")
    alone: list[Outcome] = []
    beside: list[Outcome] = []
    large: list[Outcome] = []
    with running(server, told.artifacts) as (port, _), ThreadPoolExecutor(1) as other:
        small_one, large_one = (target(server, port, PICTURES[name]()) for name in ("28", "1600"))
        drive(small_one, told.small, 2)  # warm
        for _ in range(told.rounds):
            alone.append(drive(small_one, told.small, told.seconds))
            noise = other.submit(drive, large_one, told.large, told.seconds)
            beside.append(drive(small_one, told.small, told.seconds))
            large.append(noise.result())
    print("| load | requests/s | p50 ms | p99 ms | p99 to alone (min to max) | errors |\n|---|---|---|---|---|---|")
    print(row(f"{told.small} small alone", alone, alone))
    print(row(f"{told.small} small beside {told.large} large", beside, alone))
    answers = sum(outcome.right for outcome in [*alone, *beside, *large])
    print(
        f"\nlarge ones: {median(outcome.rate for outcome in large):,.0f}/s; {told.rounds} rounds of {told.seconds} s,"
    )
    print(f"n = {answers:,}; {server.name}, {server.workers} worker(s); {conditions(load)}")
    return int(any(outcome.errors for outcome in [*alone, *beside, *large]))


if __name__ == "__main__":
    sys.exit(main())
