"""Where weights come from: the source, the torch and the device that they were trained by."""

import functools
import os
import platform
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path

import torch


@dataclass(frozen=True)
class Origin:
    """What a training was begun by; one that is gone on with keeps it."""

    commit: str | None
    torch: str
    device: str

    def changed(self, now: "Origin") -> str:
        """What is no longer the same, like "torch 2.14.0, now 2.15.0"; empty where all is."""
        old, new = asdict(self), asdict(now)
        return "; ".join(f"{key} {old[key]}, now {new[key]}" for key in old if old[key] != new[key])


def here(device: torch.device) -> Origin:
    """The origin of what this process trains on a device."""
    return Origin(commit(), str(torch.__version__), describe(device))  # str: a checkpoint holds plain values only


@functools.cache  # the code that runs stays that of the start, whatever is committed since
def commit() -> str | None:
    """The commit of this source, with +dirty where it was changed; in an image DIGITVOTE_COMMIT says it."""
    folder = Path(__file__).parent
    try:
        head = _git(folder, "rev-parse", "HEAD")
        # A tree that holds this file but does not track it is another project's.
        _git(folder, "ls-files", "--error-unmatch", Path(__file__).name)
        return f"{head}+dirty" if _git(folder, "status", "--porcelain", "--", "../trainer", "../registry") else head
    except (OSError, subprocess.CalledProcessError):
        return os.environ.get("DIGITVOTE_COMMIT") or None


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()  # noqa: S603


def describe(device: torch.device) -> str:
    """A device in words, like "cpu: AMD EPYC, 2 threads"."""
    if device.type == "cuda":
        return f"cuda: {torch.cuda.get_device_name(device)}"
    threads = torch.get_num_threads()
    return f"{device.type}: {_processor()}, {threads} thread{'s' if threads > 1 else ''}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())
