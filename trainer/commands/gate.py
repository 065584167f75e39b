from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from trainer.commands import options
from trainer.commands.errors import again, clear_errors
from trainer.commands.options import Artifacts, Data, Device, OtherData, RecipeName, Runs, Threads
from trainer.console import say, table
from trainer.progress import Progress

if TYPE_CHECKING:
    from trainer.gate.measure import Measured


def gate(
    recipe: RecipeName = "gate",
    data: Data = None,
    allow_other_data: OtherData = False,
    artifacts: Artifacts = "artifacts",
    runs: Runs = Path("runs"),
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the checkpoint of a run that was stopped.")
    ] = False,
    device: Device = "auto",
    threads: Threads = None,
) -> None:
    """Train the gate, which tells digits from other things, and publish its next version, if it reaches its target.

    Exits with 1 if the target was missed or the loss became no number, and with 2 for bad input.
    """
    console = Console()
    with clear_errors(resume_hint=f"from the last whole epoch with: {again('--resume')}"):
        from trainer import recipe as recipes
        from trainer import sources
        from trainer.gate import job

        chosen = recipes.read(recipe)
        where = options.location(artifacts)
        place = options.device(device, threads)
        images = sources.load(data or (), other=allow_other_data)
        _, measured = job.run(
            chosen, images, where, runs, Progress(console),
            device=place, resume=resume, on_published=lambda version: say(console, f"published {version}"),
        )  # fmt: skip
        console.print(_refused(measured))


def _refused(measured: "Measured") -> Table:
    """One line a kind of outlier or source of digits; in each cell the share of the test's pictures that is refused."""
    rows = table("refused", "balanced", "strict")
    sides = zip(("digits, ", ""), measured.refused("balanced"), measured.refused("strict"), strict=True)
    for side, balanced, strict in sides:
        for name in balanced:
            rows.add_row(f"{side}{name}", f"{balanced[name]:.1%}", f"{strict[name]:.1%}")
    return rows
