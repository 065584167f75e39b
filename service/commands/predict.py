import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn, TextIO

import typer

if TYPE_CHECKING:  # whoever serves needs none of it
    from rich.console import Console

    from service.client.rows import Row
    from service.client.send import Service

URL = "http://127.0.0.1:8000"


def predict(
    files: Annotated[
        list[str], typer.Argument(metavar="FILES...", help="Pictures, folders of them, or patterns in quotes.")
    ],
    url: Annotated[str, typer.Option(metavar="URL", help="Where the service is.")] = URL,
    form: Annotated[str, typer.Option("--format", metavar="csv|json|ndjson", help="What is written.")] = "csv",
    output: Annotated[Path | None, typer.Option(metavar="FILE", help="Where to, instead of stdout.")] = None,
    key: Annotated[
        str | None,
        typer.Option(
            metavar="KEY", help="A key of the service, if it wants one.", envvar="DIGITVOTE_KEY", show_default=False
        ),
    ] = None,
    connections: Annotated[int, typer.Option(min=1, max=16, help="Requests that are sent at once.")] = 3,
) -> None:
    """Read the digits on many pictures by a running service; the status is 1 if one could not be read, else 0."""
    from rich.console import Console

    from service.client.files import exists, find
    from service.client.rows import WRITERS
    from service.client.send import NoServiceError, Service

    write = next((writer for name, writer in WRITERS.items() if name == form), None)
    if write is None:
        raise typer.BadParameter(f"{form!r}: give {', '.join(WRITERS)}", param_hint="--format")
    if not url.lower().startswith(("http://", "https://")):
        raise typer.BadParameter(f"{url!r}: it must begin with http:// or https://", param_hint="--url")
    if key is not None and not (key.isascii() and key.isprintable()):
        raise typer.BadParameter("a key is of ASCII letters, digits and signs alone", param_hint="--key")
    paths = find(files)
    if not paths:
        _refuse(f"There are no pictures in {', '.join(files)}.")
    if not any(exists(path) for path in paths):
        _refuse(f"There is no file {', '.join(map(str, paths))}.")
    console = Console(stderr=True)
    tally = Tally()
    with Service(url, key) as service:
        try:
            service.meet(_tell)
            with _opened(output) as out:
                write(tally.count(_shown(_rows(service, paths, connections), len(paths), console)), out)
        except NoServiceError as error:
            _refuse(str(error))
        except BrokenPipeError:  # whoever read has enough, as `head`
            raise
        except OSError as error:
            _refuse(f"{output or 'stdout'}: it cannot be written: {error.strerror}")
    _tell(f"{tally.read:,} read, {tally.failed:,} failed")
    raise typer.Exit(int(tally.failed > 0))


@dataclass
class Tally:
    """How many rows have a prediction and how many an error."""

    read: int = 0
    failed: int = 0

    def count(self, rows: "Iterable[Row]") -> "Iterator[Row]":
        """The rows, counted as they pass."""
        for row in rows:
            self.read += row.error is None
            self.failed += row.error is not None
            yield row


def _rows(service: "Service", paths: list[Path], connections: int) -> "Iterator[Row]":
    """A row for each file, in order, asked for by so many requests at a time."""
    from service.client.files import batches

    pool = ThreadPoolExecutor(connections)
    try:
        for rows in pool.map(service.predict, batches(paths)):
            yield from rows
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _shown(rows: "Iterable[Row]", count: int, console: "Console") -> "Iterator[Row]":
    """The rows, with a bar of them on a terminal."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), "left", TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        yield from bar.track(rows, total=count)


def _opened(output: Path | None) -> TextIO:
    """What is written to, in UTF-8 also where stdout has another encoding."""
    file = sys.stdout.fileno() if output is None else output
    return open(file, "w", encoding="utf-8", errors="backslashreplace", newline="", closefd=output is not None)


def _tell(message: str) -> None:
    typer.echo(message, err=True)


def _refuse(message: str) -> NoReturn:
    _tell(message)
    raise typer.Exit(2)
