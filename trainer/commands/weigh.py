import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from trainer.commands import options
from trainer.commands.errors import clear_errors
from trainer.commands.options import Artifacts, Data, Device, OtherData, Threads
from trainer.console import say

if TYPE_CHECKING:
    from registry.manifest import Manifest


def weigh(
    versions: Annotated[
        list[str], typer.Argument(metavar="VERSION...", help="Folders or addresses of one run, which vote together.")
    ],
    artifacts: Artifacts = "artifacts",
    data: Data = None,
    allow_other_data: OtherData = False,
    device: Device = "cpu",
    threads: Threads = None,
) -> None:
    """Measure the vote weights of versions by the present rule, and publish each with its own as a next version.

    Models and all else stay; what their reports say of the vote is made again.
    """
    console = Console()
    with clear_errors(), tempfile.TemporaryDirectory() as temporary:
        from registry import versions as published
        from trainer import reweigh, sources
        from trainer.published import copied

        def told(manifest: "Manifest") -> None:
            where = published.at(target).where(manifest.name, manifest.version)
            say(console, f"published {where}: weight {manifest.weight:.4g}")

        place = options.device(device, threads)
        target = options.location(artifacts)
        folders = [copied(version, Path(temporary)) for version in versions]
        images = sources.load(data or (), other=allow_other_data)
        reweigh.again(folders, images, target, device=place, on_published=told)
