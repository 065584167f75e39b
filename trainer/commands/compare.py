from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from trainer.commands import options, tables
from trainer.commands.errors import clear_errors
from trainer.commands.options import Artifacts, Data, OtherData, Picture, Threads
from trainer.console import say


def compare(
    first: Annotated[str, typer.Argument(metavar="MODEL=VERSION", help="Like cnn=1, or cnn for its newest.")],
    second: Annotated[str, typer.Argument(metavar="MODEL=VERSION", help="The version to hold it against.")],
    artifacts: Artifacts = "artifacts",
    data: Data = None,
    allow_other_data: OtherData = False,
    out: Picture = Path("differences.png"),
    threads: Threads = None,
) -> None:
    """Hold two versions against each other: figures, McNemar's test, and a PNG of the digits on which they differ."""
    console = Console()
    with clear_errors():
        from trainer import compare as comparing
        from trainer import published, sources

        options.device("cpu", threads)
        place = options.location(artifacts)
        chosen = [published.version(place, word) for word in (first, second)]
        images = sources.load(data or (), other=allow_other_data)
        test = images.test_pictures, images.test_labels
        one, other = (published.answers(place, *version, *test) for version in chosen)
        found = comparing.compare(one, other, images.test_labels)
        out.write_bytes(comparing.differences(one, other, images))
        console.print(tables.side_by_side(one, other, one.name, other.name))
        say(
            console,
            f"both right {found.both_right:,}; only {one.name} {found.only_first:,}; only {other.name} "
            f"{found.only_second:,}; both wrong {found.both_wrong:,}, {found.different_errors:,} of them differently",
        )
        verdict = "a difference" if found.p < 0.05 else "within chance"
        say(console, f"McNemar's exact test: p = {found.p:.3g}, {verdict} at the 5 % level")
        say(console, f"wrote {out}")
