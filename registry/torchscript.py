"""Every call of torch.jit: the one place to change when the format changes.

torch.jit is deprecated in current torch, and says so at each call; the format is chosen all the same, because stock
inference servers load it and a reader needs no source code of the model.
"""

import io
import struct
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import torch

from registry.rules import Floats

Module = torch.jit.ScriptModule

# Of a zip file, before each record: bytes of the fixed part, and where in it the lengths of what follows stand.
_HEADER, _LENGTHS = 30, 26


@contextmanager
def _deprecation_known() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"`torch\.jit\.", FutureWarning)
        warnings.filterwarnings("ignore", r"`torch\.jit\.", DeprecationWarning)
        yield


def dump(module: torch.nn.Module) -> bytes:
    """The bytes of `model.pt`: the module scripted in eval mode, on the CPU."""
    buffer = io.BytesIO()
    with _deprecation_known():
        torch.jit.save(torch.jit.script(module.cpu().eval()), buffer)
    return _without_debug_records(buffer)


def _without_debug_records(archive: io.BytesIO) -> bytes:
    """Leave out the records of which line of whose source each operation came from: paths of the trainer's machine."""
    stripped = io.BytesIO()
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(stripped, "w", zipfile.ZIP_STORED) as new:
        for name in old.namelist():
            if not name.endswith(".debug_pkl"):
                new.writestr(zipfile.ZipInfo(name), old.read(name))
    return stripped.getvalue()


def records(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Where in `model.pt` the numbers of each tensor lie, as they are in memory: offset and bytes."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for record in archive.infolist():
            if "/data/" in record.filename:
                name, extra = struct.unpack_from("<2H", content, record.header_offset + _LENGTHS)
                start = record.header_offset + _HEADER + name + extra
                yield start, content[start : start + record.file_size]


def weights(content: bytes) -> Mapping[str, torch.Tensor]:
    """The module's tensors by name, as before it was scripted; see `load` on what must have been verified."""
    with _deprecation_known():
        module: Module = torch.jit.load(io.BytesIO(content), map_location="cpu")  # type: ignore[no-untyped-call]
    return module.state_dict()


def load(content: bytes, device: torch.device | str = "cpu") -> Module:
    """The module that `dump` wrote, frozen for inference on a device.

    Unpickling runs what the bytes say, so they must have been verified first.
    """
    with _deprecation_known():
        module: Module = torch.jit.load(io.BytesIO(content), map_location=device)  # type: ignore[no-untyped-call]
        frozen: Module = torch.jit.freeze(module.eval())
        return frozen


def load_for_one(content: bytes) -> Module:
    """The module that `load` gives, laid out for batches of one picture on a CPU: a third less time for convolutions.

    What `optimize` packs pays only where there are several pictures to a batch.
    """
    with _deprecation_known():
        module: Module = torch.jit.load(io.BytesIO(content))  # type: ignore[no-untyped-call]
        frozen: Module = torch.jit.freeze(module.eval().to(memory_format=torch.channels_last))
        return frozen


def has_convolutions(module: Module) -> bool:
    """Whether a frozen module has any."""
    return any("conv" in node.kind() for node in module.graph.nodes())


def optimize(module: Module) -> Module:
    """A frozen module with its convolutions packed for this CPU: half the time a picture, within rounding.

    It is the module given, which is changed. One without any is left as it is: packed dense layers are no faster, and
    at batches of 8 to 32 slower by a sixth.
    """
    if not has_convolutions(module):
        return module
    with _deprecation_known():
        optimized: Module = torch.jit.optimize_for_inference(module)
        return optimized


def predictor(module: torch.nn.Module, device: torch.device | str = "cpu") -> Callable[[Floats], Floats]:
    """A function from pictures [N, 1, 28, 28] to logits [N, L], both float32 arrays in main memory."""

    def predict(pictures: Floats) -> Floats:
        with torch.inference_mode():
            logits: Floats = module(torch.from_numpy(pictures).to(device)).float().cpu().numpy()
        return logits

    return predict
