from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from trainer.commands.errors import clear_errors
from trainer.console import say


def onnx(
    versions: Annotated[list[Path], typer.Argument(metavar="FOLDER...", help="Versions, like artifacts/cnn/1.")],
) -> None:
    """Add model.onnx to versions that were published without it."""
    console = Console()
    with clear_errors():
        from registry import publish, store
        from registry.open import open_version
        from trainer import graph, published

        for folder in versions:
            root, model, version = published.place(folder)
            publish.add(root, model, version, store.GRAPH_FILE, graph.of(open_version(root, model, version)))
            say(console, f"wrote {folder / store.GRAPH_FILE}")
