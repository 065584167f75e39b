"""python -m benchmarks.way [--each N] [--seed S] [--mnist DIR] [--kinds KIND...] [--artifacts DIR]

Fits the weights of `service/way.py` to strips of `benchmarks.strips` and prints them: of all ways through a line's
pieces those that read its number shall have the largest share, as graph transformer networks are trained (LeCun et al.
1998). Kinds of touching digits count half, so that those which stand apart are not read worse for their sake. Lines
that no way reads right are left out, and are counted.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.numbers import Read, made, read, source
from benchmarks.pictures import load
from benchmarks.strips import KINDS
from imaging.page import Row
from service.settings import Settings
from service.way import FEATURES, WEIGHTS, features, left_out

_LESS = {"touching": 0.4, "some_touching": 0.5, "paper_touching": 0.5, "overlapping": 0.0}  # others count 1
_NEVER = -1e9
_SHRINK = 1e-3  # of the squared weights, of features of standard deviation 1


@dataclass(frozen=True)
class Line:
    """A row, its features [N, F], the scores of leaving atoms out [A], its labels and text, and how much it counts."""

    row: Row
    facts: Tensor
    free: Tensor
    labels: tuple[str, ...]
    text: str
    counts: float


def lines(each: Read) -> list[Line]:
    """The lines of a strip that have as many rows as its text, and are not worth nothing."""
    texts = each.picture.text.split("\n")
    counts = _LESS.get(each.picture.group, 1.0)
    if each.page is None or len(each.page.rows) != len(texts) or not counts:
        return []
    found, start = [], 0
    for row, text in zip(each.page.rows, texts, strict=True):
        outcomes = each.outcomes[start : start + len(row.pieces)]
        start += len(row.pieces)
        if row.pieces:
            labels = tuple(str(outcome.label) for outcome in outcomes)
            facts, free = torch.tensor(features(row, outcomes)), torch.tensor(left_out(row))
            found.append(Line(row, facts, free, labels, text, counts))
    return found


def loss(line: Line, scores: Tensor) -> Tensor:
    """Minus the logarithm of the share of the ways that read a line's text, by its pieces' scores [N]."""
    nothing = torch.tensor(_NEVER, dtype=scores.dtype)
    every = [torch.zeros((), dtype=scores.dtype)]  # by place: all ways to there
    right = [torch.full((len(line.text) + 1,), _NEVER, dtype=scores.dtype).index_fill(0, torch.tensor(0), 0.0)]
    for place in range(1, len(line.row.atoms) + 1):
        all_ways, right_ways = [every[-1] + line.free[place - 1]], [right[-1] + line.free[place - 1]]
        for number, piece in enumerate(line.row.pieces):
            if piece.last == place:
                all_ways.append(every[piece.first] + scores[number])
                fits = torch.tensor([label == line.labels[number] for label in line.text])
                further = torch.where(fits, right[piece.first][:-1] + scores[number], nothing)
                right_ways.append(torch.cat([nothing[None], further]))
        every.append(torch.logsumexp(torch.stack(all_ways), 0))
        right.append(torch.logsumexp(torch.stack(right_ways), 0))
    return every[-1] - right[-1][-1]


def fit(found: Sequence[Line], steps: int = 70) -> Tensor:
    """The weights [F] with the least loss."""
    facts = torch.cat([line.facts for line in found])
    spread = facts.std(0).clamp_min(1e-6).where(facts.std(0) > 0, torch.ones(()))
    start = torch.tensor(WEIGHTS)
    with torch.no_grad():
        found = [line for line in found if loss(line, line.facts @ start) < -_NEVER / 2]
    if not found:
        raise SystemExit("No line can be read right by any way through its pieces: are these the models to fit to?")
    scaled = (start * spread).requires_grad_()
    search = torch.optim.LBFGS([scaled], max_iter=steps, line_search_fn="strong_wolfe")

    def step() -> Tensor:
        search.zero_grad()
        total = sum(line.counts * loss(line, line.facts @ (scaled / spread)) for line in found)
        value: Tensor = total / sum(line.counts for line in found) + _SHRINK * (scaled**2).sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    search.step(step)  # type: ignore[no-untyped-call]
    print(f"{len(found)} lines can be read right")
    return (scaled / spread).detach()


def main() -> None:
    """Fit as told by the arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--artifacts", type=Path, default=Path("artifacts"))
    parser.add_argument("--each", type=int, default=70, help="strips of each kind")
    parser.add_argument("--seed", type=int, default=301)
    parser.add_argument("--mnist", type=Path, help="folder of MNIST's training set, unpacked")
    parser.add_argument("--kinds", nargs="*", default=list(KINDS), choices=list(KINDS), metavar="KIND")
    told = parser.parse_args()
    torch.set_num_threads(1)
    settings = Settings(artifacts=told.artifacts)
    models, gate = load(settings)
    reads = [
        read(picture, models, gate, settings) for picture in made(source(told.mnist), told.kinds, told.each, told.seed)
    ]
    found = [line for each in reads for line in lines(each)]
    print(f"{len(found)} lines of {len(reads)} strips")
    for name, weight in zip(FEATURES, fit(found).tolist(), strict=True):
        print(f"{name} {weight:.2f}")


if __name__ == "__main__":
    main()
