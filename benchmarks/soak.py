"""python -m benchmarks.soak [--seconds S] [--kills N] [--versions N] [--seed N] [--engine torch|onnx] [--workers N]

A real service under everything at once: clients that send digits, pages and batches whose answers are known, hostile
files and forms, a byte at a time, or go away; new versions, good and corrupt; and workers that are killed. Tells what
each client got, and how memory and descriptors went. The status is 1 if an answer was wrong or lost, or an error of
the service.
"""

import argparse
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from benchmarks.crowd import BAD, BODY_SECONDS, CLIENTS, OUTCOMES, Reports, Street, live
from benchmarks.machine import conditions
from benchmarks.memory import pss
from benchmarks.new_versions import Rollouts, copied
from benchmarks.servers import Server, add_options, chosen, running

_HEAD = ("client", "sent", *OUTCOMES)
_POINTS = 10  # of the curve of memory and descriptors
_REMARKS = 20  # that are printed at most


def workers(process: int) -> list[int]:
    """The processes that another has as children."""
    return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def descriptors(process: int) -> int:
    """Files and sockets that a process and its children have open."""
    return sum(len(list(Path(f"/proc/{each}/fd").iterdir())) for each in [process, *workers(process)])


def peers(process: int) -> set[int]:
    """The ports of the clients whose connections a process has."""
    inodes: set[str] = set()
    for path in Path(f"/proc/{process}/fd").iterdir():
        with suppress(FileNotFoundError):  # of a process that is looked at as it goes on
            link = str(path.readlink())
            inodes |= {link[len("socket:[") : -1]} if link.startswith("socket:[") else set()
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {int(row[2].rpartition(":")[2], 16) for row in rows if row[9] in inodes}


def kill_one(process: int, reports: Reports, chance: random.Random) -> None:
    """Kill a worker, once it is known whose requests end with it."""
    victim = chance.choice(workers(process))
    os.kill(victim, signal.SIGSTOP)
    while Path(f"/proc/{victim}/stat").read_text().rpartition(")")[2].split()[0] != "T":
        time.sleep(0.001)  # until it has stopped, it may take another connection
    reports.bury(peers(victim))
    os.kill(victim, signal.SIGKILL)


@contextmanager
def crowd(street: Street, reports: Reports, seed: int) -> Iterator[None]:
    """All clients, each in a thread of its own, until the block ends."""
    over = threading.Event()
    names = [name for name, (_, many) in CLIENTS.items() for _ in range(many)]
    threads = [
        threading.Thread(target=live, args=(name, street, reports, random.Random(f"{seed} {number}"), over))
        for number, name in enumerate(names)
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def soak(server: Server, told: argparse.Namespace) -> tuple[Reports, Rollouts, list[str]]:
    """What the clients report, which versions were published, and the rows of the curve."""
    chance, reports = random.Random(told.seed), Reports()
    with tempfile.TemporaryDirectory() as folder, running(server, copied(told.artifacts, Path(folder))) as (port, main):
        rollouts, street = Rollouts(Path(folder), told.seed), Street(port)
        curve = [_point(0, reports, main.pid)]
        with crowd(street, reports, told.seed):
            began = time.monotonic()
            for at, what in _programme(told):
                time.sleep(max(0.0, began + at - time.monotonic()))
                if what == "kill":
                    kill_one(main.pid, reports, chance)
                elif what == "publish":
                    rollouts.publish_next()
                else:
                    curve.append(_point(at, reports, main.pid))
        time.sleep(1)  # what the last clients left is closed
        curve.append(_point(time.monotonic() - began, reports, main.pid))
    return reports, rollouts, curve


def _programme(told: argparse.Namespace) -> list[tuple[float, str]]:
    """When what happens, in seconds from the start."""
    counts = {"kill": told.kills, "publish": told.versions, "look": _POINTS}
    events = [
        (told.seconds * number / (count + 1), what) for what, count in counts.items() for number in range(1, count + 1)
    ]
    return [*sorted(events), (told.seconds, "look")]


def _point(seconds: float, reports: Reports, process: int) -> str:
    while True:
        try:
            memory, opened = pss(process), descriptors(process)
        except OSError:  # a worker has just been killed, and its supervisor has not seen it yet
            time.sleep(0.05)
        else:
            return f"| {seconds:.0f} | {reports.of(None).total():,} | {memory:.0f} | {opened} |"


def table(reports: Reports) -> str:
    """What each kind of client got."""
    lines = [f"| {' | '.join(_HEAD)} |", "|---" * len(_HEAD) + "|"]
    for name in [*CLIENTS, None]:
        counts = reports.of(name)
        cells = [f"{counts.total():,}", *(f"{counts[outcome]:,}" for outcome in OUTCOMES)]
        lines.append(f"| {name or 'all'} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> int:
    """Soak and print; the status is 1 if an answer was wrong or lost, or an error of the service."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=1800)
    parser.add_argument("--kills", type=int, default=5, metavar="N", help="workers that are killed")
    parser.add_argument("--versions", type=int, default=20, metavar="N", help="that are published; half are corrupt")
    parser.add_argument("--seed", type=int, default=1)
    add_options(parser)
    parser.set_defaults(workers=2)
    told = parser.parse_args()
    load, server = os.getloadavg()[0], chosen(told)
    settings = {**server.environment, "DIGITVOTE_BODY_SECONDS": str(BODY_SECONDS)}
    reports, rollouts, curve = soak(replace(server, environment=settings), told)
    print(table(reports))
    print("\n| s | requests | MiB | descriptors |", "|---|---|---|---|", *curve, sep="\n")
    voted = ", ".join(f"{model} {version}" for model, version in sorted(reports.voted))
    print(f"\n{reports.kills} workers killed; {rollouts}; voted: {voted}")
    print(*reports.remarks[:_REMARKS], sep="\n")
    print(f"{told.seconds:.0f} s; {server.name}, {server.workers} worker(s); {conditions(load)}")
    return int(any(reports.of(None)[outcome] for outcome in BAD))


if __name__ == "__main__":
    sys.exit(main())
