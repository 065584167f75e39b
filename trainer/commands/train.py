from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from trainer.commands import options
from trainer.commands.errors import again, clear_errors
from trainer.commands.options import Artifacts, Data, Device, OtherData, RecipeName, Runs, Threads
from trainer.console import say
from trainer.progress import Progress

if TYPE_CHECKING:
    from registry.address import Address


def train(
    recipe: RecipeName = "quick",
    model: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Only this model; may be repeated.")] = None,
    data: Data = None,
    allow_other_data: OtherData = False,
    artifacts: Artifacts = "artifacts",
    runs: Runs = Path("runs"),
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the checkpoints of a run that was stopped.")
    ] = False,
    device: Device = "auto",
    seed: Annotated[int | None, typer.Option(min=0, metavar="N", help="Instead of the recipe's.")] = None,
    threads: Threads = None,
    if_missing: Annotated[
        bool, typer.Option("--if-missing", help="Do nothing where every model already has a whole version.")
    ] = False,
) -> None:
    """Train a recipe's models and publish the next version of each, if all reach their targets.

    Where no gate is published yet, the one that the recipe names is trained first.

    With --data feedback:FILE, and a recipe like finetune, the newest published versions learn from that store too.

    Exits with 1 if a target was missed (nothing is published then), the loss of a model became no number or it is worse
    than the version that it started from (the others are published), and with 2 for bad input.
    """
    console = Console()
    with clear_errors(resume_hint=f"from the last whole epoch with: {again('--resume')}"):
        from registry.manifest import GATE
        from trainer import job, sources
        from trainer import recipe as recipes
        from trainer.finetune.start import begin, feedback_of
        from trainer.gate import job as gate_job

        def told(version: "Path | Address") -> None:
            say(console, f"published {version}")

        chosen = recipes.read(recipe, seed)
        names = options.models(chosen, model)
        where = options.location(artifacts)
        lacks_gate = bool(chosen.gate) and not model and not job.present(where, [GATE])
        trained = if_missing and job.present(where, names)
        if trained and not lacks_gate:
            say(console, f"{artifacts} already holds {', '.join(names)}: nothing to train")
            return
        place = options.device(device, threads)
        words, feedback = feedback_of(data or ()) if chosen.finetune else (data or [], None)
        images = sources.load(words, other=allow_other_data)
        # First, so that a run that is stopped and resumed publishes nothing twice.
        if lacks_gate:
            gate = recipes.read(chosen.gate)
            gate_job.run(gate, images, where, runs, Progress(console), device=place, resume=resume, on_published=told)
        if trained:
            return
        start = begin(chosen, names, where, feedback, images)
        result = job.run(
            start.recipe if start else chosen, names, start.mnist if start else images, where, runs,
            Progress(console), device=place, start=start, resume=resume, on_published=told,
        )  # fmt: skip
        if result.trouble:
            raise result.trouble
