"""Figures of the servers as rows of Markdown."""

from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import median
from typing import NamedTuple

from benchmarks.load import Outcome

_HEAD = (
    "server",
    "workers",
    "clients",
    "requests/s (min to max)",
    "p50 ms",
    "p99 ms",
    "of the floor",
    "of the tutorial",
    "median batch",
    "errors",
)


class Key(NamedTuple):
    """One cell: what was measured with what."""

    server: str
    workers: int
    picture: str
    clients: int


Cells = Mapping[Key, Sequence[Outcome]]  # a round each


def rate(outcomes: Sequence[Outcome]) -> float:
    """The median of the rounds' rates."""
    return median(outcome.rate for outcome in outcomes)


def rows(cells: Cells, picture: str) -> list[str]:
    """The figures of one picture."""
    lines = [_line(_HEAD), "|---" * len(_HEAD) + "|"]
    for key, outcomes in cells.items():
        if key.picture == picture:
            lines.append(_line(_row(key, outcomes, cells)))
    return lines


def _row(key: Key, outcomes: Sequence[Outcome], cells: Cells) -> Sequence[str]:
    rates = [outcome.rate for outcome in outcomes]
    return (
        key.server,
        str(key.workers),
        str(key.clients),
        f"{median(rates):,.0f} ({min(rates):,.0f} to {max(rates):,.0f})",
        f"{median(outcome.p50 for outcome in outcomes):.2f}",
        f"{median(outcome.p99 for outcome in outcomes):.2f}",
        _ratio(key, cells, "floor"),
        _ratio(key, cells, "tutorial"),
        _median_batch(outcomes),
        str(sum(outcome.errors for outcome in outcomes)),
    )


def _ratio(key: Key, cells: Cells, other: str) -> str:
    """Of the other server's rate in the same cell; round by round, then the median."""
    others = cells.get(key._replace(server=other))
    if not others:
        return ""
    ratios = [one.rate / another.rate for one, another in zip(cells[key], others, strict=True) if another.right]
    return f"{median(ratios):.2f}" if ratios else ""


def _median_batch(outcomes: Sequence[Outcome]) -> str:
    sizes = sorted(sum((outcome.batches for outcome in outcomes), Counter[int]()).elements())
    return f"{median(sizes):g}" if sizes else ""


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
