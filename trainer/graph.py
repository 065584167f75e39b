"""A network as `model.onnx`: the graph alone, whose weights are those in `model.pt` beside it."""

from collections.abc import Sequence
from functools import singledispatch
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, StringStringEntryProto, TensorProto, helper, numpy_helper
from torch import nn

from registry import onnx, store, torchscript
from registry.golden import Golden
from registry.open import Artifact
from trainer import models, published
from trainer.errors import TrainerError

# Old enough for every reader of the last years: ONNX 1.12, opset 17.
_IR, _OPSET = 8, 17


class _Graph:
    """Nodes in the order in which they run, and the tensors that they take besides."""

    def __init__(self, network: nn.Module, model: bytes) -> None:
        self.nodes: list[NodeProto] = []
        self.tensors: list[TensorProto] = []
        self._names = {parameter: name for name, parameter in network.named_parameters()}
        self._places = {content: start for start, content in torchscript.records(model)}

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Add an operation; the name of what it gives."""
        name = f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name, **attributes))
        return name

    def constant(self, values: float | Sequence[int] | NDArray[np.int64]) -> str:
        """Add numbers that stand in the graph itself."""
        kept = np.asarray(values, np.float32 if isinstance(values, float) else np.int64)
        self.tensors.append(numpy_helper.from_array(kept, f"constant_{len(self.tensors)}"))
        return self.tensors[-1].name

    def weights(self, layer: nn.Module) -> list[str]:
        """Add a layer's trained numbers, in its own order, by where they lie in `model.pt`."""
        return [self._weight(parameter) for parameter in layer.parameters()]

    def _weight(self, parameter: nn.Parameter) -> str:
        content = parameter.detach().cpu().contiguous().numpy().tobytes()
        name, start = self._names[parameter], self._places.get(content)
        if start is None:
            raise TrainerError(f"{name}: its numbers do not lie in {store.MODEL_FILE}")
        place = {"location": store.MODEL_FILE, "offset": start, "length": len(content)}
        self.tensors.append(
            TensorProto(
                name=name,
                data_type=TensorProto.FLOAT,
                dims=parameter.shape,
                data_location=TensorProto.EXTERNAL,
                external_data=[StringStringEntryProto(key=key, value=str(value)) for key, value in place.items()],
            )
        )
        return name


def of(artifact: Artifact) -> bytes:
    """The bytes of `model.onnx` for a published version: its recipe's network with the weights in its `model.pt`.

    Raises:
        TrainerError: as `published.network` does.
        ArtifactError: if onnxruntime does not give the golden digits' logits by it.
    """
    return dump(published.network(artifact), artifact.model, artifact.golden)


def dump(network: nn.Module, model: bytes, golden: Golden) -> bytes:
    """The bytes of `model.onnx` for a folded network, of which `model` is the `model.pt`.

    Raises:
        TrainerError: if the network has a layer for which there is no ONNX here, or weights that `model` has not.
        ArtifactError: if onnxruntime does not give the golden digits' logits by it.
    """
    graph = _Graph(network, model)
    values = "INPUT__0"
    for layer in network.layers:  # type: ignore[union-attr]
        values = _add(layer, graph, values)
    graph.nodes[-1].output[0] = "OUTPUT__0"
    content: bytes = _model(graph, golden.logits.shape[1]).SerializeToString(deterministic=True)
    golden.check(onnx.predictor(content, model))
    return content


def _model(graph: _Graph, outputs: int) -> ModelProto:
    given = helper.make_tensor_value_info("INPUT__0", TensorProto.FLOAT, ["N", 1, 28, 28])
    wanted = helper.make_tensor_value_info("OUTPUT__0", TensorProto.FLOAT, ["N", outputs])
    body = helper.make_graph(graph.nodes, "digitvote", [given], [wanted], graph.tensors)
    return helper.make_model(
        body, producer_name="digitvote", ir_version=_IR, opset_imports=[helper.make_opsetid("", _OPSET)]
    )


@singledispatch
def _add(layer: nn.Module, _graph: _Graph, _values: str) -> str:
    """Add a layer that takes the named values; the name of what it gives."""
    raise TrainerError(f"{type(layer).__name__}: no ONNX is written for such a layer; add it in trainer/graph.py")


@_add.register
def _(layer: models.Normalise, graph: _Graph, values: str) -> str:
    if layer.padding:
        around = [0, 0, layer.padding, layer.padding] * 2
        values = graph.node("Pad", values, graph.constant(around))
    return graph.node("Div", graph.node("Sub", values, graph.constant(layer.mean)), graph.constant(layer.std))


@_add.register
def _(layer: nn.Conv2d, graph: _Graph, values: str) -> str:
    return graph.node("Conv", values, *graph.weights(layer), pads=[*layer.padding] * 2)


@_add.register
def _(layer: nn.Linear, graph: _Graph, values: str) -> str:
    return graph.node("Gemm", values, *graph.weights(layer), transB=1)


@_add.register
def _(_layer: nn.ReLU, graph: _Graph, values: str) -> str:
    return graph.node("Relu", values)


@_add.register
def _(_layer: nn.Flatten, graph: _Graph, values: str) -> str:
    return graph.node("Flatten", values)


@_add.register
def _(layer: nn.MaxPool2d, graph: _Graph, values: str) -> str:
    return graph.node("MaxPool", values, kernel_shape=[layer.kernel_size] * 2, strides=[layer.stride] * 2)


@_add.register
def _(layer: nn.AvgPool2d, graph: _Graph, values: str) -> str:
    return graph.node("AveragePool", values, kernel_shape=[layer.kernel_size] * 2, strides=[layer.stride] * 2)


@_add.register
def _(_layer: nn.AdaptiveAvgPool2d, graph: _Graph, values: str) -> str:
    return graph.node("GlobalAveragePool", values)


@_add.register
def _(_layer: models.Sides, graph: _Graph, values: str) -> str:
    first, second, last, axis = (graph.constant([number]) for number in (0, 1, 11, 1))
    other = graph.node("Slice", values, first, second, axis)
    digits = graph.node("Slice", values, second, last, axis)
    return graph.node("Concat", other, graph.node("ReduceLogSumExp", digits, axes=[1], keepdims=1), axis=1)


@_add.register
def _(_layer: models.Squash, graph: _Graph, values: str) -> str:
    bent = graph.node("Tanh", graph.node("Mul", values, graph.constant(2 / 3)))
    return graph.node("Mul", bent, graph.constant(1.7159))


@_add.register
def _(layer: models.Subsample, graph: _Graph, values: str) -> str:
    coefficient, bias = graph.weights(layer)
    mean = graph.node("AveragePool", values, kernel_shape=[2, 2], strides=[2, 2])
    total = graph.node("Mul", mean, graph.constant(4.0))
    return graph.node("Add", graph.node("Mul", total, coefficient), bias)


@_add.register
def _(layer: models.PartialConvolution, graph: _Graph, values: str) -> str:
    weight, bias = graph.weights(layer)
    whole = [layer.outputs * layer.inputs, layer.size, layer.size]
    empty = graph.node("ConstantOfShape", graph.constant(whole))
    seen = graph.constant(layer.connections.cpu().numpy()[:, None])
    filled = graph.node("ScatterND", empty, seen, weight)
    shape = graph.constant([layer.outputs, layer.inputs, layer.size, layer.size])
    return graph.node("Conv", values, graph.node("Reshape", filled, shape), bias)
