import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from trainer.commands import options, tables
from trainer.commands.errors import clear_errors
from trainer.commands.options import Artifacts, Data, OtherData, Threads
from trainer.console import say
from trainer.errors import TrainerError

if TYPE_CHECKING:
    from registry.rules import Rule
    from trainer.mnist import Mnist
    from trainer.published import Answers


def evaluate(
    versions: Annotated[
        list[str] | None,
        typer.Argument(metavar="[MODEL=VERSION]...", help="Which versions; the newest of each without."),
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Every version of every model, as after runs with several seeds.")
    ] = False,
    artifacts: Artifacts = "artifacts",
    data: Data = None,
    allow_other_data: OtherData = False,
    classes: Annotated[
        bool, typer.Option("--classes", help="Also precision, recall and F1 of each label, and the confusion matrix.")
    ] = False,
    vote: Annotated[
        bool, typer.Option("--vote", help="Also how the models disagree, and errors against coverage.")
    ] = False,
    curve: Annotated[
        Path | None, typer.Option(metavar="FILE", help="With --vote: a picture of errors against coverage.")
    ] = None,
    corruptions: Annotated[bool, typer.Option("--corruptions", help="Also the accuracy on corrupted digits.")] = False,
    rule: Annotated[
        str, typer.Option(metavar="weighted|mean|majority", help="Of the vote on corrupted digits.")
    ] = "weighted",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    threads: Threads = None,
) -> None:
    """Recompute the test figures of published versions from their model.pt: each alone, and their vote by each rule.

    Several versions of a model are summed up by mean and spread; the first given of each model vote together, then the
    second of each, and so on.
    """
    console = Console()
    with clear_errors():
        from trainer import coverage, ensemble, published, sources

        options.device("cpu", threads)
        by = options.rule(rule)
        if every and versions:
            raise TrainerError(f"--all: leave out {' '.join(versions)}")
        place = options.location(artifacts)
        chosen = published.choose(place, versions or [], every=every)
        if vote:
            _one_of_each("--vote", chosen)
        if corruptions:
            _one_of_each("--corruptions", chosen)
        if curve and not vote:
            raise TrainerError("--curve: give --vote too")
        if vote and len(chosen) < 2:
            raise TrainerError("--vote: one model alone has no vote; give several, or none for all")
        images = sources.load(data or (), other=allow_other_data)
        test = images.test_pictures, images.test_labels
        asked = [published.answers(place, *version, *test) for version in chosen]
        rows = published.evaluate(asked, images)
        more: dict[str, Any] = {}
        if spreads := published.spreads(rows):
            more["spread"] = [asdict(one) for one in spreads]
        if classes:
            more["classes"] = {one.name: published.classes(one, images) for one in asked}
        if vote:
            more |= asdict(ensemble.measure(asked, images.test_labels))
        if curve:
            title = "Test digits answered, the least sure withheld"
            curve.write_bytes(coverage.curves(title, ensemble.together(asked), images.test_labels))
        if corruptions:
            more["corruptions"] = _corruptions(asked, by, images)
        if as_json:
            figures: Any = [{"name": name, **metrics.model_dump()} for name, metrics in rows]
            sys.stdout.write(json.dumps({"figures": figures, **more} if more else figures, indent=2) + "\n")
            return
        console.print(tables.figures(rows))
        for name, found in more.items():
            console.print("", tables.MORE[name](found), sep="\n")
        if curve:
            say(console, f"wrote {curve}")
        models = {model for model, _ in chosen}
        if len(models) > 1 and not published.rounds(asked):
            say(console, f"no vote: not as many versions of each of {', '.join(sorted(models))}")


def _one_of_each(option: str, chosen: list[tuple[str, int]]) -> None:
    """Refuse several versions of a model where one of each is to vote."""
    models = [model for model, _ in chosen]
    for model in models:
        if models.count(model) > 1:
            raise TrainerError(f"{option}: one version of a model votes, not {models.count(model)} of {model}")


def _corruptions(asked: "list[Answers]", rule: "Rule", mnist: "Mnist") -> dict[str, dict[str, float]]:
    """Test accuracy on each corruption, of each version and of their vote by a rule."""
    from trainer import robustness
    from trainer.robustness import Voter

    voters = [Voter(one.name, one.model, one.manifest.temperature, one.manifest.weight) for one in asked]
    robust = robustness.measure(voters, rule, mnist.test_pictures, mnist.test_labels)
    return {**robust.voters, f"vote: {rule}": robust.vote}
