"""`python -m service`: serve the models in DIGITVOTE_ARTIFACTS."""

import gc
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from shutil import rmtree
from tempfile import mkdtemp
from typing import Annotated

# As process 1 of a container it has no default: a SIGTERM that comes while torch is being imported would be ignored.
# Not sys.exit: an exception raised amid an import may be swallowed there.
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))

# What is imported stays, and the collector would look at it again and again: it begins once the models are loaded.
gc.disable()

import typer  # noqa: E402

from service import logs  # noqa: E402
from service.commands import cluster  # noqa: E402
from service.commands.feedback import feedback  # noqa: E402
from service.commands.predict import predict  # noqa: E402
from service.preload import preload  # noqa: E402
from service.settings import (  # noqa: E402
    SettingsError,
    defaults,
    read_settings,
    unknown_variables,
    variables,
)


def _help() -> str:
    rows = [f"{name}={defaults()[name]}\n    {meaning}" for name, meaning in variables().items()]
    return "Serve the published models over HTTP.\n\n\b\nSettings are environment variables:\n" + "\n".join(rows)


cli = typer.Typer(add_completion=False, rich_markup_mode=None, context_settings={"help_option_names": ["-h", "--help"]})


@cli.callback(invoke_without_command=True, help=_help())
def main(
    context: typer.Context,
    workers: Annotated[int | None, typer.Option(help="DIGITVOTE_WORKERS, if it is given here.", metavar="N")] = None,
) -> None:
    """Serve until SIGTERM or SIGINT, where no other command is named."""
    if context.invoked_subcommand is not None:
        gc.enable()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        return
    if workers is not None:
        os.environ["DIGITVOTE_WORKERS"] = str(workers)
    try:
        settings = read_settings()
        for line in unknown_variables():
            typer.echo(line, err=True)
        logs.configure(settings.log, settings.log_level)
        with _folder_for_metrics() if settings.workers > 1 else nullcontext():
            preloading = preload(settings.engine)
            # Not before: it imports what looks for that folder.
            from service.workers import serve

            preloading.join()

            serve(settings)
    except SettingsError as error:
        typer.echo(error, err=True)
        raise typer.Exit(2) from error
    from service.server import leave

    leave()


@contextmanager
def _folder_for_metrics() -> Iterator[None]:
    """A folder in which the workers keep their numbers, named to prometheus_client, until the block ends."""
    try:
        folder = mkdtemp(prefix="digitvote-")
    except OSError as error:
        raise SettingsError(f"several workers need a folder for their metrics: {error}. Set TMPDIR to one.") from error

    def end(*_: object) -> None:
        rmtree(folder, ignore_errors=True)
        os._exit(0)

    signal.signal(signal.SIGTERM, end)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
    try:
        yield
    finally:
        rmtree(folder, ignore_errors=True)


cli.command()(predict)
cli.add_typer(feedback, name="feedback")
cli.add_typer(cluster.cli, name="cluster")

if __name__ == "__main__":
    cli(prog_name="python -m service")
