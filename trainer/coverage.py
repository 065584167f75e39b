"""What share of the answers is wrong when the least sure are withheld: as figures, and as a picture.

Source: El-Yaniv and Wiener 2010, "On the Foundations of Noise-free Selective Classification".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from registry.rules import Floats
from trainer import canvas
from trainer.canvas import INK, QUIET
from trainer.evaluate import Labels

SHARES = (1.0, 0.999, 0.995, 0.99, 0.98, 0.95, 0.9)

Point = tuple[float, float]  # the share that is answered, and of it the share that is wrong

_POINTS = 200  # of a curve
_LOWEST = 0.9  # where a picture's curves begin: below, nothing is wrong any more
_COLOURS = (INK, "#0967d2", "#2f8132", "#c65d21", "#9aa5b1", "#724bb7", "#b32d66")


@dataclass(frozen=True)
class Coverage:
    """Errors among the surest answers: those of at least this confidence, a share `coverage` of all."""

    coverage: float
    confidence: float
    errors: int
    error: float


def coverage(chances: Floats, truth: Labels, shares: Sequence[float] = SHARES) -> list[Coverage]:
    """The risk-coverage curve of probabilities [N, 10] for labels [N] at some shares of all answers."""
    confidence = chances.max(1)
    order = np.argsort(-confidence, kind="stable")
    wrong = (chances.argmax(1) != truth)[order].cumsum()
    rows = []
    for share in shares:
        answered = max(1, round(share * len(truth)))
        errors = int(wrong[answered - 1])
        rows.append(Coverage(share, float(confidence[order[answered - 1]]), errors, errors / answered))
    return rows


def curves(title: str, named: Mapping[str, Floats], truth: Labels) -> bytes:
    """The upper part of the curve of each of several probabilities [N, 10], by name, as a PNG."""
    shares = np.linspace(_LOWEST, 1, _POINTS).tolist()
    points = {
        name: [(one.coverage, one.error) for one in coverage(chances, truth, shares)] for name, chances in named.items()
    }
    return picture(title, points, "answered (%)", "of what is answered, wrong (%)")


def picture(
    title: str,
    lines: Mapping[str, Sequence[Point]],
    across: str,
    up: str,
    dots: Mapping[str, Point] | None = None,
) -> bytes:
    """Lines of points by name, and dots on them, as a PNG; where nothing is wrong a line ends."""
    figure = canvas.figure(6, 3.6)
    axes = figure.subplots()
    for (name, points), colour in zip(lines.items(), _COLOURS, strict=False):
        covered, wrong = np.array(points).T * 100
        axes.plot(covered, np.where(wrong, wrong, np.nan), color=colour, lw=1.6, label=name)
    for (name, (covered, wrong)), colour in zip((dots or {}).items(), _COLOURS[1:], strict=False):
        axes.plot(covered * 100, wrong * 100, "o", color=colour, label=name)
    axes.set_xlabel(across, color=QUIET)
    axes.set_title(up, fontsize=10, color=INK, loc="left")
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("")
    axes.grid(color="#e4e7eb", lw=0.8)
    axes.legend(frameon=False, fontsize=8.5, labelcolor=INK)
    canvas.quiet(axes)
    figure.suptitle(title, x=0.01, ha="left", color=INK, weight="bold", fontsize=11)
    return canvas.png(figure)
