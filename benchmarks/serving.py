"""python -m benchmarks.serving [--peers] [--only SERVER...] [--rounds N] [--plot FILE]     (make bench, bench-peers)

Pictures of three sizes posted to the service, on each engine, and to what it is held against: the floor, a FastAPI
endpoint that only reads the upload, and the service of a tutorial, which does everything in the handler. With `--peers`
also to LitServe, BentoML, Ray Serve and MLServer. Prints a Markdown table of each picture: medians of the rounds, the
least and the greatest; ratios are of rates in the same round, to the floor, the tutorial and the fastest peer with as
many workers, and to the same server with one. `--help` lists what chooses a part of it.
"""

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from importlib import import_module
from itertools import product
from pathlib import Path

from benchmarks import peers
from benchmarks.load import NO_WRK, ROOT, Drive, Outcome, Target, by_client, driver
from benchmarks.machine import conditions
from benchmarks.servers import Server, Unfit, check, own, running, target
from benchmarks.table import Cells, Key, rows
from benchmarks.uploads import NAMES, PICTURES

WARM_UP = 1  # seconds of load before each that is measured


def start(servers: Sequence[Server], artifacts: Path, stack: ExitStack) -> Iterator[tuple[Server, int]]:
    """Start each server that can be and reads digits right; the others are told of in a line."""
    for server in servers:
        with ExitStack() as own_stack:
            try:
                port, _ = own_stack.enter_context(running(server, artifacts))
                check(server, port)
            except Unfit as error:
                print(f"{server.name}, {server.workers} worker(s): left out: {error}", flush=True)
                continue
            stack.push(own_stack.pop_all())
            yield server, port


def measure(
    targets: Sequence[tuple[Key, Target]], drive: Drive, rounds: int, seconds: int, tell: Callable[[str], None]
) -> Cells:
    """All in turn, round after round, so that what else the machine does meets all alike."""
    cells: dict[Key, list[Outcome]] = {key: [] for key, _ in targets}
    for number in range(rounds):
        for key, where in targets:
            drive(where, key.clients, WARM_UP)
            outcome = drive(where, key.clients, seconds)
            cells[key].append(outcome)
            tell(f"round {number + 1}: {' '.join(map(str, key))}: {outcome.rate:,.0f}/s")
    return cells


def arguments(words: Sequence[str] | None) -> argparse.Namespace:
    """What is asked for."""
    parser = argparse.ArgumentParser("python -m benchmarks.serving", description="Measure the service.")
    known = list(dict.fromkeys(server.name for server in [*own(), *peers.servers()]))
    parser.add_argument("--only", nargs="+", choices=known, metavar="SERVER", help=f"of {', '.join(known)}")
    parser.add_argument("--peers", action="store_true", help="measure the peers too")
    parser.add_argument("--pictures", nargs="+", choices=list(PICTURES), default=list(PICTURES))
    parser.add_argument("--clients", nargs="+", type=int, default=[1, 32])
    parser.add_argument("--workers", nargs="+", type=int, choices=[1, 2], default=[1, 2])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=5, help="length of a round")
    parser.add_argument("--driver", choices=["auto", "wrk", "client"], default="auto")
    parser.add_argument("--plot", type=Path, help="draw the figures into this PNG")
    parser.add_argument("--artifacts", type=Path, default=ROOT / "artifacts")
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> int:
    """Measure and print; the status is 1 if an answer was wrong or nothing could be measured."""
    told = arguments(words)
    drive, load = driver(told.driver), os.getloadavg()[0]
    if told.driver == "auto" and drive is by_client:
        print(NO_WRK + "\n", flush=True)
    servers = [*own(), *(peers.servers() if told.peers else [])]
    chosen = [one for one in servers if one.workers in told.workers and (not told.only or one.name in told.only)]
    with ExitStack() as stack:
        started = list(start(chosen, told.artifacts.resolve(), stack))
        targets = [
            (Key(server.name, server.workers, picture, clients), target(server, port, PICTURES[picture]()))
            for picture, clients, (server, port) in product(told.pictures, told.clients, started)
        ]
        cells = measure(targets, drive, told.rounds, told.seconds, lambda line: print(line, file=sys.stderr))
    for picture in told.pictures:
        print(f"\n{NAMES[picture]}\n", *rows(cells, picture), sep="\n")
    answers = sum(outcome.right for outcomes in cells.values() for outcome in outcomes)
    errors = sum(outcome.errors for outcomes in cells.values() for outcome in outcomes)
    by = "benchmarks.client" if drive is by_client else "wrk"
    print(
        f"\n{told.rounds} rounds of {told.seconds} s each, driven by {by}; n = {answers:,} answers; {conditions(load)}"
    )
    if told.plot:
        import_module("benchmarks.plot").draw(cells, told.plot)
    return int(errors > 0 or not cells)


if __name__ == "__main__":
    sys.exit(main())
