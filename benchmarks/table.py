"""Figures of the servers as rows of Markdown."""

from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import median
from typing import NamedTuple

from benchmarks import peers
from benchmarks.load import Outcome

_PEERS = {server.name for server in peers.servers()}
_HEAD = (
    "server",
    "workers",
    "clients",
    "requests/s (min to max)",
    "p50 ms",
    "p99 ms",
    "p99/p50",
    "of the floor",
    "of the tutorial",
    "of the best peer",
    "of one worker",
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
    return (
        key.server,
        str(key.workers),
        str(key.clients),
        _spread([outcome.rate for outcome in outcomes], ",.0f"),
        f"{median(outcome.p50 for outcome in outcomes):.2f}",
        f"{median(outcome.p99 for outcome in outcomes):.2f}",
        _spread([outcome.p99 / outcome.p50 for outcome in outcomes], ".1f"),
        _ratio(key, key._replace(server="floor"), cells),
        _ratio(key, key._replace(server="tutorial"), cells),
        _ratio(key, _best_peer(key, cells), cells),
        _ratio(key, key._replace(workers=1), cells) if key.workers > 1 else "",
        _median_batch(outcomes),
        str(sum(outcome.errors for outcome in outcomes)),
    )


def _best_peer(key: Key, cells: Cells) -> Key | None:
    """Where the fastest peer stands among those measured with the same picture, clients and workers."""
    found = [other for other in cells if other.server in _PEERS and other[1:] == key[1:]]
    return max(found, key=lambda other: rate(cells[other]), default=None)


def _ratio(key: Key, other: Key | None, cells: Cells) -> str:
    """Of another cell's rate, round by round."""
    if other is None or other not in cells:
        return ""
    both = zip(cells[key], cells[other], strict=True)
    return _spread([one.rate / another.rate for one, another in both if another.right], ".2f")


def _spread(figures: Sequence[float], form: str) -> str:
    """The median of the rounds' figures, with the least and the greatest; nothing where there is none."""
    if not figures:
        return ""
    middle, least, greatest = (f"{figure:{form}}" for figure in (median(figures), min(figures), max(figures)))
    return f"{middle} ({least} to {greatest})"


def _median_batch(outcomes: Sequence[Outcome]) -> str:
    sizes = sorted(sum((outcome.batches for outcome in outcomes), Counter[int]()).elements())
    return f"{median(sizes):g}" if sizes else ""


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
