from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from trainer.commands import options
from trainer.commands.errors import clear_errors
from trainer.commands.options import Artifacts
from trainer.console import say, table

if TYPE_CHECKING:
    from registry.manifest import Manifest


def models(artifacts: Artifacts = "artifacts") -> None:
    """List what is published, with the figures of each manifest."""
    console = Console()
    with clear_errors():
        from trainer import published

        manifests = published.manifests(options.location(artifacts))
        if not manifests:
            say(console, f"{artifacts} holds no version yet: python -m trainer train")
            return
        console.print(_versions(manifests))


def _versions(manifests: "list[Manifest]") -> Table:
    """One line a version."""
    rows = table("model", "version", "parameters", "validation", "test", "recipe", "created")
    for one in manifests:
        accuracies = (
            f"{one.metrics[split].accuracy:.2%}" if split in one.metrics else "" for split in ("validation", "test")
        )
        name = str(one.recipe.get("name", ""))
        rows.add_row(
            one.name, str(one.version), f"{one.parameters:,}", *accuracies, name, f"{one.created:%Y-%m-%d %H:%M}"
        )
    return rows
