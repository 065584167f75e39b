"""The engine that runs `model.onnx` with ONNX Runtime."""

from registry import onnx
from registry.errors import ArtifactError
from registry.open import Artifact
from service.engine.engine import Predict
from service.settings import SettingsError


class OnnxEngine:
    """Runs ONNX graphs on a CPU, or on CUDA where that is asked for by name: `auto` is the CPU.

    Raises:
        SettingsError: if CUDA is asked for and this onnxruntime has none.
    """

    def __init__(self, device: str, threads: int) -> None:
        if device == "cuda" and not onnx.has_cuda():
            raise SettingsError(
                "DIGITVOTE_DEVICE='cuda': this onnxruntime is not built for CUDA (onnxruntime-gpu is); "
                "allowed are 'auto' and 'cpu'"
            )
        self.device = "cuda" if device == "cuda" else "cpu"
        self._threads = threads

    def predictor(self, artifact: Artifact) -> Predict:
        """A version's logits of pictures; see `Engine`."""
        if artifact.graph is None:
            version = f"{artifact.manifest.name}/{artifact.manifest.version}"
            raise ArtifactError(
                f"{version} has no model.onnx, which DIGITVOTE_ENGINE=onnx runs: add it by "
                f"python -m trainer onnx FOLDER/{version}, or set DIGITVOTE_ENGINE=torch"
            )
        return onnx.predictor(artifact.graph, artifact.model, threads=self._threads, cuda=self.device == "cuda")
