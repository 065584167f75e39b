"""How a command that cannot end well ends: one line on stderr, and an exit status."""

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console

from registry.errors import ArtifactError
from trainer.console import say
from trainer.errors import TrainerError


@contextmanager
def clear_errors(resume_hint: str = "") -> Iterator[None]:
    """Turn what can go wrong into such a line; Ctrl-C into how to go on, where there is such a way."""
    stderr = Console(stderr=True)
    try:
        yield
    except TrainerError as error:
        say(stderr, f"error: {error}")
        raise typer.Exit(error.status) from error
    except ArtifactError as error:
        say(stderr, f"error: {error}")
        raise typer.Exit(2) from error
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        say(stderr, f"error: {where}{error.strerror or error}")
        raise typer.Exit(2) from error
    except KeyboardInterrupt as error:
        hint = f"; go on {resume_hint}" if resume_hint else ""
        say(stderr, f"stopped{hint}")
        raise typer.Exit(130) from error


def again(*options: str) -> str:
    """The command that was given, with options added that it lacks."""
    given = sys.argv[1:]
    return f"python -m trainer {shlex.join([*given, *(option for option in options if option not in given)])}"
