"""The report of a gate: what it refuses by kind, and coverage against error, as JSON and PNG."""

from dataclasses import asdict
from typing import Any, get_args

import numpy as np

from registry.manifest import Strictness
from trainer import canvas, models
from trainer import coverage as risk
from trainer.canvas import INK, QUIET
from trainer.gate.measure import Measured, curve
from trainer.recipe import Recipe

_COLOURS: dict[Strictness, str] = {"balanced": "#0967d2", "strict": "#9aa5b1"}


def figures(recipe: Recipe, measured: Measured) -> dict[str, Any]:
    """What `report/metrics.json` says."""
    module = measured.trained.module
    return {
        "model": "gate",
        "recipe": recipe.name,
        "seed": recipe.seed,
        "parameters": models.parameters(module),
        "multiply_adds": models.multiply_adds(module),
        "temperature": measured.temperature,
        "thresholds": measured.thresholds,
        **{split: metrics.model_dump() for split, metrics in measured.metrics.items()},
        "refused": {
            strictness: dict(zip(("digits", "others"), measured.refused(strictness), strict=True))
            for strictness in get_args(Strictness)
        },
        "pictures": {name: len(scores) for side in measured.test for name, scores in side.items()},
        "coverage": [[round(value, 5) for value in point] for point in curve(measured.test)],
        "history": [asdict(epoch) for epoch in measured.trained.history],
    }


def refused(measured: Measured) -> bytes:
    """A row a kind and a source: the share of the test's pictures that each threshold refuses, as a PNG."""
    figure = canvas.figure(7, 7)
    axes = figure.subplots()
    for strictness, colour in _COLOURS.items():
        digits, others = measured.refused(strictness)
        shares = {**others, **{f"digits, {source}": share for source, share in digits.items()}}
        axes.plot([share * 100 for share in shares.values()], range(len(shares)), "o", color=colour, label=strictness)
    axes.set_yticks(range(len(shares)), list(shares))
    axes.set_ylim(len(shares) - 0.5, -0.5)
    axes.set_xlabel("refused (%)", color=QUIET)
    axes.grid(color="#e4e7eb", lw=0.8)
    axes.legend(frameon=False, fontsize=8.5, labelcolor=INK)
    canvas.quiet(axes)
    figure.suptitle("What the gate refuses, by kind", x=0.01, ha="left", color=INK, weight="bold")
    return canvas.png(figure)


def coverage(measured: Measured) -> bytes:
    """The curve of coverage against error, with both thresholds on it, as a PNG."""
    dots = {}
    for strictness in get_args(Strictness):
        digits, others = (
            float(np.mean(np.concatenate(list(side.values())) >= measured.thresholds[strictness]))
            for side in measured.test
        )
        dots[strictness] = (digits, others / (digits + others))
    return risk.picture(
        "Coverage against error",
        {"any threshold": curve(measured.test)},
        "digits accepted (%)",
        "of what is accepted, no digit (%)",
        dots,
    )
