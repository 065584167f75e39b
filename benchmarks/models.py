"""python -m benchmarks.models ARTIFACTS

A process that holds torch and the three models, frozen, and nothing else: what a service cannot take less than. Says
`ready` once they are loaded and ends when its standard input does.
"""

import sys
import warnings
from pathlib import Path

import torch

NAMES = ("mlp", "cnn", "lenet5")


def load(artifacts: Path) -> list[torch.jit.ScriptModule]:
    """The newest version of each model, frozen, as torch's own tutorial on TorchScript loads one."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit is deprecated
        return [torch.jit.freeze(torch.jit.load(str(_newest(artifacts / name))).eval()) for name in NAMES]  # type: ignore[no-untyped-call]


def _newest(folder: Path) -> Path:
    return max((path for path in folder.glob("*/model.pt")), key=lambda path: int(path.parent.name))


if __name__ == "__main__":
    held = load(Path(sys.argv[1]))
    print("ready", flush=True)
    sys.stdin.read()
