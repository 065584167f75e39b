from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from trainer.commands import options
from trainer.commands.errors import again, clear_errors
from trainer.commands.options import Data, Device, OtherData, RecipeName, Threads
from trainer.console import say, table
from trainer.errors import TrainerError

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

_SHOWN = 5


def tune(
    model: Annotated[str, typer.Option(metavar="NAME", help="Which of the recipe's models.")],
    recipe: RecipeName = "quick",
    trials: Annotated[int, typer.Option(min=1, metavar="N", help="Ended trials the study shall have in all.")] = 30,
    storage: Annotated[str, typer.Option(metavar="URL", help="Where the study is kept.")] = "sqlite:///runs/tune.db",
    study: Annotated[
        str | None, typer.Option(metavar="NAME", help="The study's name; RECIPE-MODEL without it.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The recipe that comes out; RECIPE-MODEL-tuned.toml without it.")
    ] = None,
    data: Data = None,
    allow_other_data: OtherData = False,
    device: Device = "auto",
    threads: Threads = None,
) -> None:
    """Search for better settings of one model, judged on validation; ends in a recipe file that trains.

    The same command goes on with a study that was stopped. Started several times at once, all work on one study.
    """
    console = Console()
    with clear_errors(resume_hint=f"with: {again()}"):
        from trainer import recipe as recipes
        from trainer import sampling, sources

        try:
            from trainer import tune as tuning
        except ImportError as error:
            raise TrainerError(f"tune needs Optuna ({error}): pip install 'digitvote[tune]'") from error

        base = recipes.read(recipe)
        (name,) = options.models(base, [model])
        place = options.device(device, threads)
        images = sources.load(data or (), other=allow_other_data)
        training, validation, _ = sampling.split(images, base, place)
        found = tuning.study(base, name, training, study or f"{base.name}-{name}", storage)
        tuning.search(found, base, name, training, validation, trials, lambda line: say(console, line))
        best = tuning.best(found, base, name)
        place_of_recipe = out or Path(f"{base.name}-{name}-tuned.toml")
        place_of_recipe.write_text(
            f"# python -m trainer train --recipe {place_of_recipe}\n"
            f"# The best of study {found.study_name}: validation accuracy {found.best_value:.2%}.\n{recipes.dump(best)}"
        )
        console.print(_trials(found.get_trials(deepcopy=False, states=tuning.ENDED)))
        say(console, f"wrote {place_of_recipe}; python -m trainer train --recipe {place_of_recipe}")


def _trials(trials: "list[FrozenTrial]") -> Table:
    """The best trials, one a column, and what each tried; what was pruned is counted only."""
    values = {one.number: one.value for one in trials if one.state.name == "COMPLETE" and one.value is not None}
    best = sorted((one for one in trials if one.number in values), key=lambda one: -values[one.number])[:_SHOWN]
    rows = table(f"{len(trials)} trials, {len(trials) - len(values)} pruned", *(f"trial {one.number}" for one in best))
    rows.add_row("validation accuracy", *(f"{one.value:.2%}" for one in best))
    for key in sorted(best[0].params):
        rows.add_row(key, *(f"{one.params[key]:.3g}" for one in best))
    return rows
