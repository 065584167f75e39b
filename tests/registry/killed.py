"""python -m tests.registry.killed FOLDER

Publishes over and over and is killed each time, one step later than the last time, while two processes open the newest
version as fast as they can. Prints what they saw, as JSON. Without torch, so that each fork is cheap.
"""

import io
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import numpy as np

from registry import disk, store
from registry import publish as publishing
from registry.errors import ArtifactError
from registry.golden import Golden
from registry.open import open_version
from tests.drafts import draft

_READERS = 2
_TRACED = {publishing.__file__, disk.__file__}
FILES = {
    "model.pt": b"m" * 300_000,
    "golden.npz": Golden(np.zeros((1, 1, 28, 28), np.float32), np.zeros((1, 10), np.float32)).dump(),
    "report/metrics.json": b"{}",
}


class _Steps:
    """Kills the process at the step that is wanted: before a line of `registry`, or within a write."""

    def __init__(self, last: int) -> None:
        self.left = last

    def step(self) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def trace(self, frame: FrameType, event: str, _told: object) -> Callable[..., Any] | None:
        """For sys.settrace."""
        if frame.f_code.co_filename not in _TRACED:
            return None
        if event == "line":
            self.step()
        return self.trace

    def opened(self, path: Path, mode: str = "r", **options: Any) -> Any:
        """For Path.open: what is written is written in quarters, with a step before each."""
        if mode != "wb":
            return open(path, mode, **options)  # noqa: PTH123
        steps = self

        class Torn(io.FileIO):
            def write(self, content: Any, /) -> int:
                view = memoryview(content)
                quarter = -(-len(view) // 4) or 1
                for at in range(0, len(view), quarter):
                    steps.step()
                    super().write(view[at : at + quarter])
                return len(view)

        return Torn(path, mode)


def publish(root: Path, last: int) -> NoReturn:
    """Publish a version and add a file to it, killed at a step; this is a child's whole life."""
    steps = _Steps(last)
    Path.open = lambda path, mode="r", **options: steps.opened(path, mode, **options)  # type: ignore
    sys.settrace(steps.trace)
    manifest = publishing.publish(root, draft("mlp"), FILES)
    publishing.add(root, "mlp", manifest.version, "model.onnx", b"g" * 100_000)
    sys.settrace(None)
    os._exit(0)


def read(root: Path, told: int) -> NoReturn:
    """Open the newest version until the parent is gone or says so; tell what was seen."""
    seen: dict[str, Any] = {"opened": 0, "newest": 0, "wrong": []}
    stopping: list[int] = []
    signal.signal(signal.SIGTERM, lambda *_: stopping.append(1))
    parent = os.getppid()
    while not stopping and os.getppid() == parent:
        newest = store.latest(root, "mlp") or 0
        try:
            artifact = open_version(root, "mlp", newest)
        except ArtifactError as error:
            seen["wrong"].append(str(error))
            continue
        seen["opened"] += 1
        if newest < seen["newest"] or artifact.model != FILES["model.pt"]:
            seen["wrong"].append(f"{newest} after {seen['newest']}")
        seen["newest"] = newest
    os.write(told, json.dumps(seen).encode())
    os._exit(0)


def forked(child: Callable[[], NoReturn]) -> int:
    """The id of a process that runs this."""
    process = os.fork()
    if not process:
        child()
    return process


def killed(root: Path, last: int) -> bool:
    """Whether a publish was killed at this step, or had come to its end before."""
    return os.waitpid(forked(lambda: publish(root, last)), 0)[1] == signal.SIGKILL


def aged(root: Path) -> bool:
    """Whether a kill left something behind, which is now as if that had been an hour ago."""
    remains = list((root / "mlp").glob(".*"))
    for path in remains:
        os.utime(path, (time.time() - 4000,) * 2)
    return bool(remains)


def main() -> None:
    """Kill, read, and tell."""
    root = Path(sys.argv[1])
    publishing.publish(root, draft("mlp"), FILES)
    pipes = [os.pipe() for _ in range(_READERS)]
    readers = [forked(partial(read, root, end)) for _, end in pipes]
    kills = left = 0
    while killed(root, kills + 1):
        kills += 1
        left += aged(root)
    seen = []
    for reader, (begin, _) in zip(readers, pipes, strict=True):
        os.kill(reader, signal.SIGTERM)
        seen.append(json.loads(os.read(begin, 65536)))
        os.waitpid(reader, 0)
    whole = store.versions(root, "mlp")
    publishing.publish(root, draft("mlp"), FILES)
    names = sorted(path.name for path in (root / "mlp").iterdir() if not store.is_version(path.name))
    print(json.dumps({"kills": kills, "versions": whole, "left": left, "cleared": names, "readers": seen}))


if __name__ == "__main__":
    main()
