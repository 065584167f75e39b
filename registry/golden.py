"""The golden digits: pictures and the logits a version must give for them, checked before it is served."""

import io
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from registry.errors import ArtifactError
from registry.rules import Floats

# Other processors, thread counts and packings round differently by about 1e-5; a wrong model is off by far more.
TOLERANCE = 1e-3


@dataclass(frozen=True)
class Golden:
    """Pictures [N, 1, 28, 28] in 0..1 and their logits [N, L], float32, of L labels."""

    pictures: Floats
    logits: Floats

    def dump(self) -> bytes:
        """The bytes of `golden.npz`."""
        buffer = io.BytesIO()
        np.savez_compressed(buffer, pictures=self.pictures, logits=self.logits)
        return buffer.getvalue()

    @classmethod
    def load(cls, content: bytes) -> "Golden":
        """Read what `dump` wrote.

        Raises:
            ArtifactError: if the bytes are no such archive or the shapes are wrong.
        """
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as archive:
                pictures, logits = (archive[name].astype(np.float32) for name in ("pictures", "logits"))
        except (OSError, ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise ArtifactError(f"golden.npz cannot be read: {error}") from error
        count = len(logits) if logits.ndim else 0
        if not count or pictures.shape != (count, 1, 28, 28) or logits.ndim != 2:
            raise ArtifactError(f"golden.npz holds pictures {pictures.shape} and logits {logits.shape}")
        return cls(pictures, logits)

    def check(self, predict: Callable[[Floats], Floats]) -> None:
        """Hold a model against the golden digits, as one batch and as single pictures.

        Raises:
            ArtifactError: if it raises, or gives another shape or other logits than it was published with.
        """
        try:
            together = predict(self.pictures)
            alone = predict(self.pictures[:1])
        except Exception as error:
            reason = (str(error).strip() or repr(error)).splitlines()[-1]  # of TorchScript's traceback only the end
            raise ArtifactError(f"fails on the golden digits: {reason}") from error
        for got, want in ((together, self.logits), (alone, self.logits[:1])):
            if got.shape != want.shape:
                raise ArtifactError(f"gives {got.shape} on the golden digits, not {want.shape}")
            distance = float(np.abs(got - want).max())
            if not distance <= TOLERANCE:  # NaN is not within it either
                raise ArtifactError(f"is off by {distance:.3g} on the golden digits, more than {TOLERANCE:g}")
