import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from trainer.commands import options, tables
from trainer.commands.errors import again, clear_errors
from trainer.commands.options import Data, Device, OtherData, Runs
from trainer.console import say
from trainer.progress import Progress


def reproduce(
    version: Annotated[
        str, typer.Argument(metavar="VERSION", help="A published version, like artifacts/cnn/1 or its address.")
    ],
    artifacts: Annotated[
        str | None, typer.Option(metavar="DIR|ADDRESS", help="Where the new version is kept; nowhere without.")
    ] = None,
    runs: Runs = Path("runs/reproduce"),
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the checkpoint of a run that was stopped.")
    ] = False,
    data: Data = None,
    allow_other_data: OtherData = False,
    device: Device = "cpu",
    threads: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="CPU threads; the version's without it.")
    ] = None,
) -> None:
    """Train a version again from its manifest, and say whether the figures agree; exits with 1 if they do not.

    Its recipe's targets are left out: what falls short of them is compared too.
    """
    console = Console()
    with (
        clear_errors(resume_hint=f"from the last whole epoch with: {again('--resume')}"),
        tempfile.TemporaryDirectory() as temporary,
    ):
        from registry import versions
        from trainer import published, sources
        from trainer import reproduce as reproducing
        from trainer.finetune.start import feedback_of

        first = reproducing.original(version)
        place = options.device(device, threads or first.threads)
        words, feedback = feedback_of(data or ()) if first.recipe.finetune else (data or [], None)
        reproducing.check_given(first, words)
        images = sources.load(words, other=allow_other_data)
        reproducing.same_data(first, images)
        if differs := reproducing.differs(first, place):
            say(console, f"{differs}: figures may differ")
        kept = options.location(artifacts) if artifacts else Path(temporary) / "again"
        done = reproducing.train(
            first, images, kept, runs, Progress(console), device=place, feedback=feedback, resume=resume
        )
        pictures, truth = reproducing.test(first, images)
        old = published.answers(first.root, done.name, first.manifest.version, pictures, truth)
        new = published.answers(kept, done.name, done.version, pictures, truth)
        console.print("", tables.side_by_side(old, new, "published", "again"), sep="\n")
        found = reproducing.verdict(old, new, truth)
        say(console, str(found))
        if artifacts:
            say(console, f"published {versions.at(kept).where(done.name, done.version)}")
    if not found.agrees:
        raise typer.Exit(1)
