"""What a benchmark ran on, as its figures must say."""

import os
import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path


def hardware() -> str:
    """The processor and how many cores of it there are."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else 'unknown processor'}, {os.cpu_count()} cores"


def versions(*packages: str) -> str:
    """Python's version and those of packages."""
    return ", ".join([f"Python {sys.version.split()[0]}", *(f"{package} {version(package)}" for package in packages)])


def conditions(load: float) -> str:
    """What every benchmark of the service tells of its machine; `load` is the load average before."""
    packages = [name for name in ("torch", "onnxruntime", "fastapi", "uvicorn") if find_spec(name)]
    return f"{hardware()}; {versions(*packages)}; load average before: {load:.1f}"
