"""Every call of onnxruntime: it runs `model.onnx`, a graph whose weights lie in `model.pt` beside it."""

from collections.abc import Callable

import onnxruntime

from registry import store
from registry.errors import ArtifactError
from registry.rules import Floats

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"


def has_cuda() -> bool:
    """Whether the onnxruntime that is installed was built for CUDA."""
    return CUDA in onnxruntime.get_available_providers()


def predictor(graph: bytes, model: bytes, *, threads: int = 1, cuda: bool = False) -> Callable[[Floats], Floats]:
    """A function from pictures [N, 1, 28, 28] to logits [N, L], both float32 arrays in main memory.

    Args:
        graph: the bytes of `model.onnx`.
        model: the bytes of `model.pt`; the weights are taken from here, never from a file.
        threads: of one batch, on the CPU.
        cuda: run on the first CUDA device.

    Raises:
        ArtifactError: if the bytes are no such graph, or CUDA was asked for and cannot be had.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors: they are raised too
    # Threads that spin between batches took four to six times the CPU: of two, with 5 ms from batch to batch.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_external_initializers_from_files_in_memory([store.MODEL_FILE], [model], [len(model)])
    try:
        session = onnxruntime.InferenceSession(graph, options, providers=[CUDA, CPU] if cuda else [CPU])
    except Exception as error:  # its own errors have no other base
        raise ArtifactError(f"model.onnx cannot be loaded: {str(error).strip().splitlines()[0]}") from error
    if cuda and CUDA not in session.get_providers():
        raise ArtifactError("onnxruntime cannot use CUDA here: set DIGITVOTE_DEVICE=cpu")
    (given,) = session.get_inputs()

    def predict(pictures: Floats) -> Floats:
        logits: Floats = session.run(None, {given.name: pictures})[0]
        return logits

    return predict
