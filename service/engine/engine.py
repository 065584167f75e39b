"""What runs the models, as DIGITVOTE_ENGINE says: torch, or ONNX Runtime, which does without torch."""

from collections.abc import Callable
from typing import Protocol

from registry.open import Artifact
from registry.rules import Floats
from service.settings import Settings, SettingsError

Predict = Callable[[Floats], Floats]


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
