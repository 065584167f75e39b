import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from trainer.commands import options
from trainer.commands.errors import clear_errors
from trainer.commands.options import Artifacts, Data, OtherData, Threads
from trainer.console import table
from trainer.errors import TrainerError

if TYPE_CHECKING:
    from registry.manifest import Metrics


def evaluate(
    versions: Annotated[
        list[str] | None,
        typer.Argument(metavar="[MODEL=VERSION]...", help="Which versions; the newest of each without."),
    ] = None,
    artifacts: Artifacts = Path("artifacts"),
    data: Data = None,
    allow_other_data: OtherData = False,
    vote: Annotated[
        bool, typer.Option("--vote", help="Also how the models disagree, and errors against coverage.")
    ] = False,
    corruptions: Annotated[bool, typer.Option("--corruptions", help="Also the accuracy on corrupted digits.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    threads: Threads = None,
) -> None:
    """Recompute the test figures of published versions from their model.pt: each alone, and their vote by each rule."""
    console = Console()
    with clear_errors():
        from trainer import ensemble, mnist, published, robustness
        from trainer.robustness import Voter

        options.device("cpu", threads)
        chosen = published.choose(artifacts, versions or [])
        if vote and len(chosen) < 2:
            raise TrainerError("--vote: one model alone has no vote; give several, or none for all")
        images = mnist.load(data, other=allow_other_data)
        asked = [published.answers(artifacts, *version, images) for version in chosen.items()]
        rows = published.evaluate(asked, images)
        more: dict[str, Any] = {}
        if vote:
            more |= asdict(ensemble.measure(asked, images.test_labels))
        if corruptions:
            voters = [Voter(one.name, one.model, one.manifest.temperature, one.manifest.weight) for one in asked]
            robust = robustness.measure(voters, "weighted", images.test_pictures, images.test_labels)
            more["corruptions"] = {**robust.voters, "vote: weighted": robust.vote}
        if as_json:
            figures: Any = [{"name": name, **metrics.model_dump()} for name, metrics in rows]
            sys.stdout.write(json.dumps({"figures": figures, **more} if more else figures, indent=2) + "\n")
            return
        console.print(_figures(rows))
        for name, found in more.items():
            console.print("", _TABLES[name](found), sep="\n")


def _figures(figures: "list[tuple[str, Metrics]]") -> Table:
    """One line a model, or a rule of the vote."""
    rows = table("", "accuracy", "errors", "loss", "calibration error")
    for name, metrics in figures:
        errors = round((1 - metrics.accuracy) * metrics.examples)
        rows.add_row(
            name, f"{metrics.accuracy:.2%}", f"{errors:,}", f"{metrics.loss:.4f}", f"{metrics.calibration_error:.2%}"
        )
    return rows


def _pairs(pairs: list[dict[str, Any]]) -> Table:
    """One line a pair of models; in each cell a count of digits."""
    rows = table("pair", "differ on", "both wrong", "wrong alike")
    for one in pairs:
        counts = (f"{one[key]:,}" for key in ("different", "both_wrong", "same_wrong"))
        rows.add_row(f"{one['first']}, {one['second']}", *counts)
    return rows


def _coverage(points: list[dict[str, Any]]) -> Table:
    """One line a name, one column a coverage; in each cell the error rate among what is answered."""
    shares = ("all" if share == 1 else f"{share:.1%}" for share in dict.fromkeys(one["coverage"] for one in points))
    rows = table("error where answered:", *shares)
    for name in dict.fromkeys(one["name"] for one in points):
        rows.add_row(name, *(f"{one['error']:.2%}" for one in points if one["name"] == name))
    return rows


def _corruptions(accuracies: dict[str, dict[str, float]]) -> Table:
    """One line a corruption, one column a name; the mean at the end."""
    rows = table("accuracy on:", *accuracies)
    for corruption in next(iter(accuracies.values())):
        rows.add_row(corruption, *(f"{one[corruption]:.2%}" for one in accuracies.values()))
    rows.add_row("mean", *(f"{sum(one.values()) / len(one):.2%}" for one in accuracies.values()))
    return rows


_TABLES: dict[str, Callable[[Any], Table]] = {"pairs": _pairs, "coverage": _coverage, "corruptions": _corruptions}
