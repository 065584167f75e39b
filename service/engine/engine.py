"""What runs the models, as DIGITVOTE_ENGINE says: torch, or ONNX Runtime, which does without torch."""

import re
from collections.abc import Callable
from typing import Protocol

from registry.open import Artifact
from registry.rules import Floats
from service.settings import Settings, SettingsError

Predict = Callable[[Floats], Floats]

# As torch and ONNX Runtime begin them; after one of these no call of the process succeeds any more.
_LOST = re.compile(r"CUDA (error|failure)\b")


class DeviceLost(Exception):
    """The device can run nothing more in this process; the message says what it said."""


def lost(error: Exception) -> str | None:
    """The line by which an error of a model says that the device is lost; too little memory is a batch's matter."""
    if "out of memory" in str(error):
        return None
    return next((line.strip() for line in str(error).splitlines() if _LOST.search(line)), None)


class Engine(Protocol):
    """Runs verified versions on one device."""

    device: str

    def predictor(self, artifact: Artifact) -> Predict:
        """A function from pictures [N, 1, 28, 28] to logits [N, L], of one version.

        Raises:
            ArtifactError: if the version cannot be run.
        """


def open_engine(settings: Settings) -> Engine:
    """The engine of the settings, for the thread that calls: torch's threads are set by thread.

    Raises:
        SettingsError: if it is not installed, or has no such device.
    """
    threads = settings.batch_threads
    try:
        if settings.engine == "onnx":
            from service.engine.onnx import OnnxEngine

            return OnnxEngine(settings.device, threads)
        from service.engine.torch import TorchEngine

        return TorchEngine(settings.device, threads)
    except ModuleNotFoundError as error:
        extra = "onnx" if settings.engine == "onnx" else "serve"
        raise SettingsError(
            f"DIGITVOTE_ENGINE={settings.engine!r}: {error.name} is not installed; "
            f"pip install 'digitvote[{extra}]' (in a checkout: pip install -e '.[{extra}]')"
        ) from error
