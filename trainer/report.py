"""The report of a version: its figures as JSON; its curves, confusion matrix, mistakes and corruptions as PNG."""

import json
from typing import Any

import numpy as np

from registry.rules import Floats
from trainer import canvas
from trainer.canvas import INK, QUIET
from trainer.corrupt import corrupt
from trainer.evaluate import Counts, Labels
from trainer.loop import Epoch

_TRAINING, _VALIDATION = "#9aa5b1", "#0967d2"
_MISTAKES, _STRIP = 24, 12


def dump(figures: dict[str, Any]) -> bytes:
    """The bytes of `metrics.json`."""
    return json.dumps(figures, indent=2).encode() + b"\n"


def curves(title: str, history: list[Epoch], unit: str) -> bytes:
    """Loss, in its unit, and accuracy of training and validation over epochs, as a PNG."""
    figure = canvas.figure(9, 3.4)
    epochs = [epoch.epoch for epoch in history]
    left, right = figure.subplots(1, 2)
    for axes, name, training, validation in (
        (left, f"loss ({unit})", [e.loss for e in history], [e.validation_loss for e in history]),
        (right, "accuracy (%)", [e.accuracy * 100 for e in history], [e.validation_accuracy * 100 for e in history]),
    ):
        marker = "o" if len(history) < 3 else ""
        axes.plot(epochs, training, marker=marker, color=_TRAINING, lw=2, label="training")
        axes.plot(epochs, validation, marker=marker, color=_VALIDATION, lw=2, label="validation")
        axes.set_xlabel("epoch", color=QUIET)
        axes.set_title(f"{name}; validation ends at {validation[-1]:.4g}", fontsize=10, color=INK, loc="left")
        axes.locator_params("x", integer=True)
        axes.grid(color="#e4e7eb", lw=0.8)
        canvas.quiet(axes)
    left.set_yscale("log")
    left.yaxis.set_major_formatter("{x:g}")
    left.yaxis.set_minor_formatter("")
    # The first epochs, far below, would flatten the part that matters.
    best = max(epoch.validation_accuracy for epoch in history) * 100
    late = [e.accuracy * 100 for e in history[len(history) // 4 :]]
    low, high = min([*late, best - 1]), max([*late, best])
    right.set_ylim(low, high + (high - low) / 20)
    left.legend(frameon=False, fontsize=8.5, labelcolor=INK)
    figure.suptitle(f"{title}: training", x=0.01, ha="left", color=INK, weight="bold")
    return canvas.png(figure)


def confusion(title: str, counts: Counts) -> bytes:
    """The confusion matrix as a PNG; colour is for mistakes only, since the diagonal would drown them."""
    figure = canvas.figure(5.6, 5.4)
    axes = figure.subplots()
    wrong = counts.astype(float).copy()
    np.fill_diagonal(wrong, 0)
    axes.imshow(np.where(wrong, wrong, np.nan), cmap="Reds", vmin=-wrong.max() / 8, vmax=max(wrong.max() * 1.5, 1))
    axes.set_xticks(np.arange(11) - 0.5, minor=True)
    axes.set_yticks(np.arange(11) - 0.5, minor=True)
    axes.grid(which="minor", color="#e4e7eb", lw=0.8)
    for (row, column), count in np.ndenumerate(counts):
        if count:
            right = row == column
            style: dict[str, Any] = (
                {"color": QUIET, "fontsize": 8.5} if right else {"color": INK, "fontsize": 10, "weight": "bold"}
            )
            axes.text(column, row, f"{count}", ha="center", va="center", **style)
    axes.set_xticks(range(10))
    axes.set_yticks(range(10))
    axes.set_xlabel("predicted", color=QUIET)
    axes.set_ylabel("true", color=QUIET)
    errors = int(wrong.sum())
    axes.set_title(
        f"{title}: {errors:,} of {counts.sum():,} test digits misread",
        color=INK,
        loc="left",
        fontsize=11,
        weight="bold",
    )
    canvas.quiet(axes)
    return canvas.png(figure)


def mistakes(title: str, pictures: Labels, chances: Floats, truth: Labels) -> bytes:
    """The worst mistakes as a PNG: those in which the true label got the least probability."""
    wrong = np.flatnonzero(chances.argmax(1) != truth)
    worst = wrong[np.argsort(chances[wrong, truth[wrong]], kind="stable")][:_MISTAKES]
    shown = f"the worst {len(worst)} of {len(wrong)}" if len(wrong) > len(worst) else f"all {len(wrong)}"
    return canvas.grid(
        f"{title}: {shown} mistakes on the test set (true → predicted, its probability)",
        [(pictures[index], _mistake(int(truth[index]), chances[index])) for index in worst],
    )


def corruptions(title: str, pictures: Labels, model: dict[str, float], vote: dict[str, float]) -> bytes:
    """A row of digits a corruption, and beside it the accuracy of the model and of the vote, as a PNG."""
    figure = canvas.figure(8, 5.6)
    left, right = figure.subplots(1, 2, width_ratios=[3, 2])
    strips = [np.concatenate(list(corrupt(name, pictures[:_STRIP])), axis=1) for name in model]
    sheet = np.concatenate(strips)
    left.imshow(sheet, cmap="gray_r", vmin=0, vmax=255, aspect="auto", extent=(0, 1, len(model) - 0.5, -0.5))
    left.set_yticks(range(len(model)), list(model))
    left.set_xticks([])
    places = np.arange(len(model))
    right.plot([accuracy * 100 for accuracy in vote.values()], places, "o", color=_TRAINING, label="vote")
    right.plot([accuracy * 100 for accuracy in model.values()], places, "o", color=_VALIDATION, label="model")
    for place, accuracy in enumerate(model.values()):
        right.annotate(
            f"{accuracy:.1%}", (accuracy * 100, place), (-6, 0), textcoords="offset points",
            ha="right", va="center", fontsize=8, color=INK,
        )  # fmt: skip
    right.set_ylim(len(model) - 0.5, -0.5)
    lowest = min([*model.values(), *vote.values()]) * 100
    right.set_xlim(lowest - (100.5 - lowest) / 3, 100.5)
    right.set_yticks([])
    right.grid(color="#e4e7eb", lw=0.8)
    right.set_xlabel("accuracy (%)", color=QUIET)
    right.legend(frameon=False, fontsize=8.5, labelcolor=INK, loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2)
    for axes in (left, right):
        canvas.quiet(axes)
    mean = sum(model.values()) / len(model)
    figure.suptitle(
        f"{title}: {mean:.2%} on corrupted test digits", x=0.01, ha="left", color=INK, weight="bold", fontsize=11
    )
    return canvas.png(figure)


def _mistake(true: int, chances: Floats) -> str:
    predicted = int(chances.argmax())
    return f"{true} → {predicted}   {chances[predicted]:.0%}"
