import pytest

from registry import onnx
from registry.errors import ArtifactError


def test_bytes_that_are_no_graph_are_refused() -> None:
    """What is no ONNX is an error of one line."""
    with pytest.raises(ArtifactError, match=r"^model\.onnx cannot be loaded: .+$"):
        onnx.predictor(b"not a graph", b"")
