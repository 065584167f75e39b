"""The command line as a whole."""

import subprocess
import sys

from tests.trainer.conftest import ROOT, cli
from trainer.__main__ import app

_IMPORTED = "import sys, trainer.__main__; print({'torch', 'numpy', 'matplotlib', 'optuna'} & set(sys.modules))"


def test_help() -> None:
    """Help lists every command, and what is slow to import is not imported for it."""
    done = cli("-h", COLUMNS="100")
    assert done.returncode == 0, done.stderr
    names = [command.callback.__name__ for command in app.registered_commands if command.callback]
    assert names == ["show", "train", "gate", "evaluate", "compare", "reproduce", "onnx", "tune", "models"]
    assert all(f" {name} " in done.stdout for name in names)
    imported = subprocess.run([sys.executable, "-c", _IMPORTED], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert imported.stdout.strip() == "set()", imported.stderr
