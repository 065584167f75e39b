"""`python -m service feedback`: what an operator does with the store of feedback, whether or not the service runs."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from registry.feedback import FeedbackError, Store

feedback = typer.Typer(
    help="Count, export and delete what is kept as feedback.", no_args_is_help=True, rich_markup_mode=None
)

_DAY = 86_400
Place = Annotated[
    Path, typer.Option("--store", metavar="FILE", help="The store; DIGITVOTE_FEEDBACK.", envvar="DIGITVOTE_FEEDBACK")
]


@feedback.command()
def count(store: Place) -> None:
    """How much is kept, of which days and labels, and how often the vote was right."""
    with _opened(store, read_only=True) as opened:
        kept, pending = opened.counts()
        told = [(one.truth, one.answer.label, one.time) for one in opened.told()]
    typer.echo(f"{_answers(kept)} with feedback, {pending} that can still be fed back")
    if told:
        first, last = (_day(found) for found in (min(t for *_, t in told), max(t for *_, t in told)))
        right = sum(truth == label for truth, label, _ in told)
        labels = Counter(truth for truth, *_ in told)
        typer.echo(f"told from {first} to {last}; the vote was right on {right}")
        typer.echo("by right label: " + ", ".join(f"{label}: {labels[label]}" for label in range(10)))


@feedback.command()
def export(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A new file; it is a store too, for the trainer.")],
    store: Place,
) -> None:
    """Copy all feedback into another store, without the answers that have none."""
    with _opened(store, read_only=True) as opened:
        copied = opened.copy(file)
    typer.echo(f"{_answers(copied)} with feedback in {file}")


@feedback.command()
def forget(
    store: Place,
    requests: Annotated[
        list[str] | None, typer.Argument(metavar="[REQUEST_ID]...", help="Of which all is deleted.")
    ] = None,
    days: Annotated[
        float | None, typer.Option("--older-than", min=0, metavar="DAYS", help="Delete what is older; 0: all.")
    ] = None,
) -> None:
    """Delete what is kept of some requests, or what is older; nothing of it is left in the file."""
    if not requests and days is None:
        raise typer.BadParameter("name request ids, or give --older-than DAYS")
    with _opened(store, read_only=False) as opened:
        before = None if days is None else time.time() - days * _DAY
        typer.echo(f"{_answers(opened.forget(requests or (), before=before))} deleted")


@contextmanager
def _opened(path: Path, *, read_only: bool) -> Iterator[Store]:
    """The store; what is wrong with it ends the command with status 2."""
    try:
        if not path.is_file():  # a command makes none
            raise FeedbackError(f"{path}: there is no such file")
        with Store(path, read_only=read_only) as store:
            yield store
    except FeedbackError as error:
        typer.echo(error, err=True)
        raise typer.Exit(2) from error


def _answers(number: int) -> str:
    return "1 answer" if number == 1 else f"{number} answers"


def _day(seconds: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(seconds))
