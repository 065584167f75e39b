from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from trainer.commands.errors import clear_errors
from trainer.commands.options import Data, OtherData, Picture, RecipeName
from trainer.console import say, table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def show(
    data: Data = None,
    allow_other_data: OtherData = False,
    recipe: RecipeName = "quick",
    out: Picture = Path("digits.png"),
    forms: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also a PNG of each form in which digits are drawn as strokes.")
    ] = None,
) -> None:
    """Look at the data: class counts, and a PNG of digits as they are above what a recipe trains on."""
    console = Console()
    with clear_errors():
        from trainer import recipe as recipes
        from trainer import show as shown
        from trainer import sources, strokes

        chosen = recipes.read(recipe)
        images = sources.load(data or (), other=allow_other_data)
        counts = shown.counts(images, chosen)
        out.write_bytes(shown.grid(images, chosen))
        console.print(_counts(counts))
        say(console, f"wrote {out}")
        if forms:
            forms.write_bytes(strokes.sheet(chosen.seed))
            say(console, f"wrote {forms}")


def _counts(parts: "dict[str, NDArray[np.int64]]") -> Table:
    """One line a label, one column a part; the sums at the end."""
    rows = table("label", *parts)
    for label in range(10):
        rows.add_row(str(label), *(f"{part[label]:,}" for part in parts.values()))
    rows.add_row("all", *(f"{part.sum():,}" for part in parts.values()))
    return rows
