"""`python -m service`: serve the models in DIGITVOTE_ARTIFACTS."""

import logging
import os
import signal
import sys

# As process 1 of a container it has no default: a SIGTERM that comes while torch is being imported would be ignored.
# Not sys.exit: an exception raised amid an import may be swallowed there.
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))

import typer  # noqa: E402

from service import logs  # noqa: E402
from service.commands.predict import predict  # noqa: E402
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
def serve(context: typer.Context) -> None:
    """Serve until SIGTERM or SIGINT, where no other command is given."""
    if context.invoked_subcommand:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        return
    from service.app import create_app
    from service.engine.backend import choose_device
    from service.server import Server

    try:
        settings = read_settings()
        choose_device(settings.device)  # now, not once it serves, if there is no such device
    except SettingsError as error:
        typer.echo(error, err=True)
        raise typer.Exit(2) from error
    for line in unknown_variables():
        typer.echo(line, err=True)
    logs.configure(settings.log, settings.log_level)
    Server(create_app(settings), settings).run()
    # A decoder may still be at work for a sender who was cut off, and the interpreter would wait for its thread.
    logging.shutdown()
    sys.stdout.flush()
    os._exit(0)


cli.command()(predict)

if __name__ == "__main__":
    cli(prog_name="python -m service")
