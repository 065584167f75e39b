"""A service of which the batches wait for a test."""

import sys
from pathlib import Path

_HELD = """
import pathlib, runpy, time
import service.engine.batcher, service.ensemble
service.engine.batcher._QUICK = 0  # on the event loop a batch that waits would hold up everything
real, gate = service.ensemble.infer, pathlib.Path({gate!r})

def held(models, batch):
    while gate.exists():
        time.sleep(0.01)
    return real(models, batch)

service.ensemble.infer = held
runpy.run_module("service", run_name="__main__")
"""


def held_by(gate: Path) -> tuple[str, ...]:
    """The command that serves, of which every batch waits while there is such a file."""
    return (sys.executable, "-c", _HELD.format(gate=str(gate)))
