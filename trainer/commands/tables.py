"""Figures as tables, as several commands print them."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.table import Table

from trainer.console import table

if TYPE_CHECKING:
    from registry.manifest import Metrics
    from trainer.published import Answers


def figures(rows: "list[tuple[str, Metrics]]") -> Table:
    """One line a model, or a rule of the vote."""
    lines = table("", *_FIGURES)
    for name, metrics in rows:
        lines.add_row(name, *(shown(metrics) for shown in _FIGURES.values()))
    return lines


def side_by_side(one: "Answers", other: "Answers", *names: str) -> Table:
    """One line a figure, a column each under its name."""
    lines = table("", *names)
    for figure, of in _FIGURES.items():
        lines.add_row(figure, of(one.metrics), of(other.metrics))
    for fact, known in _FACTS.items():
        lines.add_row(fact, known(one), known(other))
    return lines


def _spread(spreads: list[dict[str, Any]]) -> Table:
    """One line a model, or a rule of the vote, of which there are several."""
    lines = table("accuracy of several:", "count", "mean", "deviation", "least", "greatest")
    for one in spreads:
        shares = (f"{one[key]:.2%}" for key in ("mean", "deviation", "least", "greatest"))
        lines.add_row(one["name"], str(one["count"]), *shares)
    return lines


def _classes(versions: dict[str, Any]) -> Group:
    """Of each version one line a label with its figures, and the confusion matrix: rows true, columns read."""
    return Group(*(part for name, one in versions.items() for part in (*_of_classes(name, **one), "")))


def _of_classes(name: str, classes: list[dict[str, Any]], confusion: list[list[int]]) -> tuple[Table, str, Table]:
    lines = table(f"{name}: label", "precision", "recall", "F1", "digits")
    for one in classes:
        shares = (f"{one[key]:.2%}" for key in ("precision", "recall", "f1"))
        lines.add_row(str(one["label"]), *shares, f"{one['support']:,}")
    matrix = table(f"{name}: true, read as", *map(str, range(10)))
    for label, counts in enumerate(confusion):
        matrix.add_row(str(label), *(str(count or "") for count in counts))
    return lines, "", matrix


def _pairs(pairs: list[dict[str, Any]]) -> Table:
    """One line a pair of models; in each cell a count of digits."""
    lines = table("pair", "differ on", "both wrong", "wrong alike")
    for one in pairs:
        counts = (f"{one[key]:,}" for key in ("different", "both_wrong", "same_wrong"))
        lines.add_row(f"{one['first']}, {one['second']}", *counts)
    return lines


def _coverage(points: list[dict[str, Any]]) -> Table:
    """One line a name, one column a coverage; in each cell the error rate among what is answered."""
    shares = ("all" if share == 1 else f"{share:.1%}" for share in dict.fromkeys(one["coverage"] for one in points))
    lines = table("error where answered:", *shares)
    for name in dict.fromkeys(one["name"] for one in points):
        lines.add_row(name, *(f"{one['error']:.2%}" for one in points if one["name"] == name))
    return lines


def _corruptions(accuracies: dict[str, dict[str, float]]) -> Table:
    """One line a corruption, one column a name; the mean at the end."""
    lines = table("accuracy on:", *accuracies)
    for corruption in next(iter(accuracies.values())):
        lines.add_row(corruption, *(f"{one[corruption]:.2%}" for one in accuracies.values()))
    lines.add_row("mean", *(f"{sum(one.values()) / len(one):.2%}" for one in accuracies.values()))
    return lines


_FIGURES: "dict[str, Callable[[Metrics], str]]" = {
    "accuracy": lambda one: f"{one.accuracy:.2%}",
    "errors": lambda one: f"{round((1 - one.accuracy) * one.examples):,}",
    "loss": lambda one: f"{one.loss:.4f}",
    "calibration error": lambda one: f"{one.calibration_error:.2%}",
}
_FACTS: "dict[str, Callable[[Answers], str]]" = {
    "parameters": lambda one: f"{one.manifest.parameters:,}",
    "recipe": lambda one: str(one.manifest.recipe.get("name", "")),
    "seed": lambda one: str(one.manifest.recipe.get("seed", "")),
    "training seconds": lambda one: f"{one.manifest.seconds:.0f}",
}
# What `evaluate` shows beside the figures, by its key in the JSON.
MORE: dict[str, Callable[[Any], RenderableType]] = {
    "spread": _spread,
    "classes": _classes,
    "pairs": _pairs,
    "coverage": _coverage,
    "corruptions": _corruptions,
}
