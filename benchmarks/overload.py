"""python -m benchmarks.overload [--rate N] [--seconds S] [--picture 28|400|1600] [--engine torch|onnx] [--workers N]

An open loop far beyond what the service can do: requests are sent when they are due, whatever became of those before.
What is accepted should keep its p99 from the first third to the last, the rest should get 503 with Retry-After at once,
and a second after the storm all should be as before it.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from itertools import accumulate, pairwise

from benchmarks.client import Answer
from benchmarks.load import percentiles, post
from benchmarks.machine import conditions
from benchmarks.servers import add_options, chosen, running, target
from benchmarks.uploads import NAMES, PICTURES

CALM = (50.0, 5.0)  # requests a second, seconds; before and after
_HEAD = "| phase | offered/s | 200/s | p50 ms | p99 ms | 503/s | p50 ms | p99 ms | of them with Retry-After | other |"


def parts(answers: Sequence[Answer], seconds: float) -> dict[str, list[Answer]]:
    """The answers by when their requests were due: before the storm, in its thirds, after it."""
    lengths = {
        "before": CALM[1],
        "first third": seconds / 3,
        "second": seconds / 3,
        "last": seconds / 3,
        "after": CALM[1],
    }
    edges = pairwise(accumulate(lengths.values(), initial=0.0))
    return {
        name: [answer for answer in answers if begin - 1e-9 <= answer.due < end - 1e-9]
        for name, (begin, end) in zip(lengths, edges, strict=True)
    }


def row(name: str, answers: Sequence[Answer], seconds: float) -> str:
    """One phase of the table."""
    accepted = [answer for answer in answers if answer.status == 200 and answer.right]
    refused = [answer for answer in answers if answer.status == 503]
    p50, p99 = percentiles([answer.took for answer in accepted], 50, 99)
    soon, late = percentiles([answer.took for answer in refused], 50, 99)
    told = f"{sum(answer.retry for answer in refused) / len(refused):.0%}" if refused else ""
    other = len(answers) - len(accepted) - len(refused)
    counts = f"{len(answers) / seconds:,.0f} | {len(accepted) / seconds:,.0f}"
    waits = f"{soon:.1f} | {late:.1f}" if refused else " | "
    return f"| {name} | {counts} | {p50:.1f} | {p99:.1f} | {len(refused) / seconds:,.0f} | {waits} | {told} | {other} |"


def recovery(before: Sequence[Answer], after: Sequence[Answer], end: float) -> float | None:
    """Seconds from the storm's end until all is accepted, and as soon as it was before; None if never.

    As soon: within twice the p99 of before. A single late answer is no relapse: 1 % of them may be.
    """
    limit = 2 * percentiles([answer.took for answer in before], 99)[0] / 1e3
    late = [answer.status != 200 or answer.took > limit for answer in after]
    for number, answer in enumerate(after):
        if not late[number] and sum(late[number:]) <= 0.01 * len(after):
            return answer.due - end
    return None


def main() -> int:
    """Measure and print; the status is 1 if an answer was neither 200 nor 503."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=1000, help="requests offered a second")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--picture", choices=list(PICTURES), default="400")
    add_options(parser)
    told = parser.parse_args()
    load, server = os.getloadavg()[0], chosen(told)
    phases = [CALM, (told.rate, told.seconds), CALM]
    with running(server, told.artifacts) as (port, _):
        where = target(server, port, PICTURES[told.picture]())
        post(where, ["--clients=8", "--seconds=2"])  # warm
        answers = post(where, ["--rates", *(f"{rate}:{seconds}" for rate, seconds in phases)])
    answers.sort()
    by_part = parts(answers, told.seconds)
    print(_HEAD, "|---" * _HEAD.count(" |") + "|", sep="\n")
    for name, members in by_part.items():
        print(row(name, members, CALM[1] if name in ("before", "after") else told.seconds / 3))
    seconds = recovery(by_part["before"], by_part["after"], CALM[1] + told.seconds)
    print("\nnot recovered" if seconds is None else f"\nrecovered {seconds:.2f} s after the last request of the storm")
    print(f"{server.name}, {server.workers} worker(s), {NAMES[told.picture]}, n = {len(answers):,}; {conditions(load)}")
    return int(any(answer.status not in (200, 503) for answer in answers))


if __name__ == "__main__":
    sys.exit(main())
