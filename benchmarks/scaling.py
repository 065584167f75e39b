"""python -m benchmarks.scaling [--rounds N] [--seconds N] [--clients N...] [--only NAME...]

What a cluster costs on one machine: the service in one process, in two workers, and by Ray Serve with one replica of
each deployment and with two of the models, with Ray's own proxy and with HAProxy. Each is started alone, in every round
anew, so that none has another's processes beside it. Prints a Markdown table: medians of the rounds, the least and the
greatest; ratios are of rates in the same round, to one process.
"""

import argparse
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from statistics import median
from typing import NamedTuple

from benchmarks.load import ROOT, Drive, Outcome, driver
from benchmarks.machine import conditions
from benchmarks.servers import Server, Unfit, check, clustered, ours, running, target
from benchmarks.uploads import PICTURES

WARM_UP = 2  # seconds of load before each that is measured
_HEAD = "| served by | clients | requests/s (min to max) | p50 ms | p99 ms | of one process | median batch | errors |"
_HAPROXY = {"RAY_SERVE_ENABLE_HA_PROXY": "1", "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1"}


class Cell(NamedTuple):
    """What was measured with how many clients."""

    name: str
    clients: int


Cells = Mapping[Cell, list[Outcome]]  # a round each


def servers(engine: str) -> list[Server]:
    """What is measured, by name."""
    one = ours(engine, 1)
    return [
        replace(one, name="one process"),
        replace(ours(engine, 2), name="--workers 2"),
        clustered(one, "cluster, 1 replica", 1),
        clustered(one, "cluster, 2 replicas", 2),
        clustered(one, "cluster, 2 replicas, HAProxy", 2, _HAPROXY),
    ]


def measure(chosen: Sequence[Server], told: argparse.Namespace, drive: Drive) -> Cells:
    """All in turn, round after round; one that cannot be measured is a line and not the end."""
    cells: dict[Cell, list[Outcome]] = {}
    for number in range(told.rounds):
        for server in chosen:
            try:
                with running(server, ROOT / "artifacts") as (port, _):
                    check(server, port)
                    where = target(server, port, PICTURES[told.picture]())
                    for clients in told.clients:
                        drive(where, clients, WARM_UP)
                        outcome = drive(where, clients, told.seconds)
                        cells.setdefault(Cell(server.name, clients), []).append(outcome)
                        print(f"round {number + 1}: {server.name}, {clients}: {outcome.rate:,.0f}/s", file=sys.stderr)
            except Unfit as error:
                print(f"{server.name}: left out: {error}", flush=True)
            time.sleep(1)  # until its processes are gone
    return cells


def rows(cells: Cells) -> list[str]:
    """The figures as Markdown."""
    lines = [_HEAD, "|---" * _HEAD.count(" | ") + "|---|"]
    for cell, outcomes in sorted(cells.items(), key=lambda item: item[0].clients):
        alone = cells.get(Cell("one process", cell.clients), [])
        ratios = [one.rate / another.rate for one, another in zip(outcomes, alone, strict=False) if another.right]
        sizes = sorted(size for outcome in outcomes for size in outcome.batches.elements())
        figures = [
            cell.name,
            f"{cell.clients}",
            _spread([outcome.rate for outcome in outcomes], ",.0f"),
            f"{median(outcome.p50 for outcome in outcomes):.2f}",
            f"{median(outcome.p99 for outcome in outcomes):.2f}",
            _spread(ratios, ".2f") if ratios else "",
            f"{median(sizes):g}" if sizes else "",
            f"{sum(outcome.errors for outcome in outcomes)}",
        ]
        lines.append(f"| {' | '.join(figures)} |")
    return lines


def _spread(figures: Sequence[float], form: str) -> str:
    middle, least, greatest = (f"{figure:{form}}" for figure in (median(figures), min(figures), max(figures)))
    return f"{middle} ({least} to {greatest})"


def main() -> int:
    """Measure and print; the status is 1 if an answer was wrong or nothing could be measured."""
    parser = argparse.ArgumentParser("python -m benchmarks.scaling", description="Measure what a cluster costs.")
    parser.add_argument("--engine", choices=["torch", "onnx"], default="onnx")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="names, as the table has them")
    parser.add_argument("--picture", choices=list(PICTURES), default=next(iter(PICTURES)))
    parser.add_argument("--clients", nargs="+", type=int, default=[1, 32])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=5, help="length of a round")
    parser.add_argument("--driver", choices=["auto", "wrk", "client"], default="auto")
    told = parser.parse_args()
    load = os.getloadavg()[0]
    chosen = [server for server in servers(told.engine) if not told.only or server.name in told.only]
    cells = measure(chosen, told, driver(told.driver))
    print(*rows(cells), sep="\n")
    answers = sum(outcome.right for outcomes in cells.values() for outcome in outcomes)
    print(
        f"\n{told.rounds} rounds of {told.seconds} s each, {told.engine}, picture {told.picture}; n = {answers:,} "
        f"answers; Ray {version('ray')}; {conditions(load)}"
    )
    return int(not cells or any(outcome.errors for outcomes in cells.values() for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())
