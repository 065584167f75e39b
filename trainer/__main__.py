"""The command line: `python -m trainer COMMAND`, each command a module of `trainer.commands`."""

import signal

import typer

from trainer.commands.compare import compare
from trainer.commands.evaluate import evaluate
from trainer.commands.gate import gate
from trainer.commands.models import models
from trainer.commands.onnx import onnx
from trainer.commands.reproduce import reproduce
from trainer.commands.show import show
from trainer.commands.train import train
from trainer.commands.tune import tune
from trainer.commands.weigh import weigh

app = typer.Typer(
    help="Train three models on MNIST and publish them as versions that the service loads.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (show, train, gate, evaluate, compare, reproduce, onnx, weigh, tune, models):
    app.command()(command)

if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a container that is stopped ends as by Ctrl-C
    try:
        app(prog_name="python -m trainer")
    except ModuleNotFoundError as error:  # after `make serve` alone
        raise SystemExit(f"{error.name} is not installed: `make install` brings what the trainer needs") from None
