"""The engine that runs `model.pt` with torch."""

import torch

from registry import torchscript
from registry.errors import ArtifactError
from registry.open import Artifact
from service.engine.engine import Predict
from service.settings import SettingsError


class TorchEngine:
    """Runs TorchScript on a CPU or a CUDA device; `auto` is CUDA where there is any.

    Raises:
        SettingsError: if CUDA is asked for and there is none.
    """

    def __init__(self, device: str, threads: int) -> None:
        available = torch.cuda.is_available()
        if device == "cuda" and not available:
            raise SettingsError(
                "DIGITVOTE_DEVICE='cuda': torch finds no CUDA device here; allowed are 'auto' and 'cpu'"
            )
        torch.set_num_threads(threads)
        self.device = "cuda" if device != "cpu" and available else "cpu"

    def predictor(self, artifact: Artifact) -> Predict:
        """A version's logits of pictures; see `Engine`."""
        try:
            module = torchscript.load(artifact.model, self.device)
            if self.device != "cpu":
                return torchscript.predictor(module, self.device)
            if not torchscript.has_convolutions(module):
                return torchscript.predictor(module)
            several = torchscript.predictor(torchscript.optimize(module))
            one = torchscript.predictor(torchscript.load_for_one(artifact.model))
        except RuntimeError as error:
            raise ArtifactError(f"model.pt cannot be loaded: {str(error).strip().splitlines()[0]}") from error
        return lambda pictures: (one if len(pictures) == 1 else several)(pictures)
