"""The two files that let a stock Triton server read the same folder."""

from registry.manifest import labels_of
from registry.store import CONFIG_FILE, LABELS_FILE

INPUT, OUTPUT = "INPUT__0", "OUTPUT__0"  # as the PyTorch backend wants its tensors named

_CONFIG = """\
name: "{name}"
backend: "pytorch"
max_batch_size: 64
input [
  {{
    name: "{input}"
    data_type: TYPE_FP32
    dims: [ 1, 28, 28 ]
  }}
]
output [
  {{
    name: "{output}"
    data_type: TYPE_FP32
    dims: [ {outputs} ]
    label_filename: "labels.txt"
  }}
]
dynamic_batching {{ }}
"""


def config(name: str) -> str:
    """The text of `config.pbtxt`, Triton's ModelConfig in protobuf's text format."""
    return _CONFIG.format(name=name, input=INPUT, output=OUTPUT, outputs=len(labels_of(name)))


def labels(name: str) -> str:
    """The text of `labels.txt`, a label a line."""
    return "".join(f"{label}\n" for label in labels_of(name))


def files(name: str) -> dict[str, bytes]:
    """Both files of a model's folder, by their names."""
    return {CONFIG_FILE: config(name).encode(), LABELS_FILE: labels(name).encode()}
