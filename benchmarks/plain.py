"""What a tutorial does with a picture and three models; the peers do the same, so that only serving differs."""

import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from benchmarks.models import NAMES, load

Models = Sequence[torch.jit.ScriptModule]


def models() -> Models:
    """The models in DIGITVOTE_ARTIFACTS, on one thread."""
    torch.set_num_threads(1)
    return load(Path(os.environ["DIGITVOTE_ARTIFACTS"]))


def decode(content: bytes) -> torch.Tensor:
    """A picture's file as [1, 28, 28] in 0..1, white ink on black."""
    return prepare(Image.open(io.BytesIO(content)))


def prepare(image: Image.Image) -> torch.Tensor:
    """An image as [1, 28, 28] in 0..1: made grey, resized, and inverted if it is bright."""
    pixels = np.asarray(image.convert("L").resize((28, 28)), np.float32) / 255
    return torch.from_numpy(1 - pixels if pixels.mean() > 0.5 else pixels)[None]


def predict(models: Models, batch: torch.Tensor) -> torch.Tensor:
    """Probabilities [N, 3, 10] that the models give for pictures [N, 1, 28, 28]."""
    with torch.inference_mode():
        return torch.stack([model(batch) for model in models], dim=1).softmax(-1)


def answer(probabilities: torch.Tensor) -> dict[str, Any]:
    """Each model's vote and the label, from the probabilities [3, 10] of one picture."""
    confidence, label = probabilities.mean(0).max(0)
    votes = [
        {"model": name, "label": int(row.argmax()), "confidence": float(row.max()), "probabilities": row.tolist()}
        for name, row in zip(NAMES, probabilities, strict=True)
    ]
    return {"label": int(label), "confidence": float(confidence), "votes": votes}
