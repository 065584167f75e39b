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
        from trainer.errors import TrainerError

        for folder in versions:
            root, model, version = published.place(folder)
            content = graph.of(open_version(root, model, version))
            try:
                publish.add(root, model, version, store.GRAPH_FILE, content)
            except ValueError as error:
                raise TrainerError(str(error)) from error
            say(console, f"wrote {folder / store.GRAPH_FILE}")
