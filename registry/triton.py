"""The two files that let a stock Triton server read the same folder."""

from registry.manifest import labels_of

_CONFIG = """\
name: "{name}"
backend: "pytorch"
max_batch_size: 64
input [
  {{
    name: "INPUT__0"
    data_type: TYPE_FP32
    dims: [ 1, 28, 28 ]
  }}
]
output [
  {{
    name: "OUTPUT__0"
    data_type: TYPE_FP32
    dims: [ {outputs} ]
    label_filename: "labels.txt"
  }}
]
dynamic_batching {{ }}
"""


def config(name: str) -> str:
    """The text of `config.pbtxt`, Triton's ModelConfig in protobuf's text format."""
    return _CONFIG.format(name=name, outputs=len(labels_of(name)))


def labels(name: str) -> str:
    """The text of `labels.txt`, a label a line."""
    return "".join(f"{label}\n" for label in labels_of(name))
