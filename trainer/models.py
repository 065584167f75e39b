"""The networks. Each takes pictures [N, 1, 28, 28], float32 in 0..1, white on black, and gives logits [N, 10].

Normalisation and padding are inside, so whoever feeds pixels in 0..1 is right. All can be scripted by torch.jit.
"""

import copy
import hashlib
from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

# Of the 60,000 training pictures' pixels in 0..1.
MEAN, STD = 0.1307, 0.3081

# Which maps of S2 (0..5) each of the 16 maps of C3 sees: LeCun et al. 1998, table I.
C3_TABLE = (
    (0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5),
    (0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5), (0, 1, 2, 5),
    (0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5),
    (0, 1, 2, 3, 4, 5),
)  # fmt: skip


class Normalise(nn.Module):
    """Pixels less a mean, over a deviation: MNIST's own by default; `padding` black pixels are added around first."""

    def __init__(self, mean: float = MEAN, std: float = STD, padding: int = 0) -> None:
        super().__init__()
        self.mean, self.std, self.padding = mean, std, padding

    def forward(self, pictures: Tensor) -> Tensor:
        """Pictures as the layers want them."""
        if self.padding > 0:
            pictures = F.pad(pictures, [self.padding, self.padding, self.padding, self.padding])
        return (pictures - self.mean) / self.std


class Sides(nn.Module):
    """Of logits [N, 11] of other and of each digit those of other and of any digit [N, 2], once it is trained."""

    def forward(self, logits: Tensor) -> Tensor:
        """Logits [N, 2]; in training the eleven as they are, since the loss is of each."""
        if self.training:
            return logits
        return torch.cat([logits[:, :1], logits[:, 1:].logsumexp(1, keepdim=True)], dim=1)


class MLP(nn.Module):
    """Dense layers of the given widths, each with batch norm, ReLU and dropout."""

    def __init__(self, widths: list[int], dropout: float) -> None:
        super().__init__()
        layers: list[nn.Module] = [Normalise(), nn.Flatten()]
        inputs = 28 * 28
        for width in widths:
            layers += [nn.Linear(inputs, width, bias=False), nn.BatchNorm1d(width), nn.ReLU(), nn.Dropout(dropout)]
            inputs = width
        self.layers = nn.Sequential(*layers, nn.Linear(inputs, 10))

    def forward(self, pictures: Tensor) -> Tensor:
        """Logits of pictures."""
        logits: Tensor = self.layers(pictures)
        return logits


class CNN(nn.Module):
    """Stages of 3x3 convolutions with batch norm and ReLU, halved between stages, averaged over the picture at the end.

    Args:
        stages: the channels of each convolution, stage by stage: [[16, 16], [32, 32]] is four convolutions.
        dropout: before the last, dense layer.
        dense: widths of dense layers with ReLU before the last one; with any, the maps are halved once more and
            flattened rather than averaged.
        outputs: how many logits a picture has: ten, or a gate's two; a gate of eleven is trained on each digit apart.
    """

    def __init__(self, stages: list[list[int]], dropout: float, dense: tuple[int, ...] = (), outputs: int = 10) -> None:
        super().__init__()
        layers: list[nn.Module] = [Normalise()]
        inputs = 1
        for stage, channels in enumerate(stages):
            if stage:
                layers.append(nn.MaxPool2d(2))
            for width in channels:
                layers += [nn.Conv2d(inputs, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
                inputs = width
        if dense:
            layers += [nn.MaxPool2d(2), nn.Flatten()]
            inputs *= (28 // 2 ** len(stages)) ** 2
        else:
            layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
        for width in dense:
            layers += [nn.Linear(inputs, width), nn.ReLU()]
            inputs = width
        layers += [nn.Dropout(dropout), nn.Linear(inputs, outputs)]
        if outputs > 10:
            layers.append(Sides())
        self.layers = nn.Sequential(*layers)

    def forward(self, pictures: Tensor) -> Tensor:
        """Logits of pictures."""
        logits: Tensor = self.layers(pictures)
        return logits


class LeNet5(nn.Module):
    """LeNet-5's shape as it is used today: ReLU, every map of C3 sees all of S2; 61,706 parameters.

    Args:
        averaged: average pooling, as in 1998, instead of max pooling.
        batch_norm: after each layer but the last, while it is trained; `folded` takes it out again.
    """

    def __init__(self, *, averaged: bool = False, batch_norm: bool = False) -> None:
        super().__init__()
        pool = nn.AvgPool2d if averaged else nn.MaxPool2d
        maps, units = (nn.BatchNorm2d, nn.BatchNorm1d) if batch_norm else (nn.Identity, nn.Identity)
        self.layers = nn.Sequential(
            Normalise(padding=2),
            nn.Conv2d(1, 6, 5), maps(6), nn.ReLU(), pool(2),
            nn.Conv2d(6, 16, 5), maps(16), nn.ReLU(), pool(2),
            nn.Flatten(),
            nn.Linear(16 * 5 * 5, 120), units(120), nn.ReLU(),
            nn.Linear(120, 84), units(84), nn.ReLU(),
            nn.Linear(84, 10),
        )  # fmt: skip

    def forward(self, pictures: Tensor) -> Tensor:
        """Logits of pictures."""
        logits: Tensor = self.layers(pictures)
        return logits


class Squash(nn.Module):
    """1.7159·tanh(2x/3): its gain near zero is about one (LeCun et al. 1998, appendix A)."""

    def forward(self, values: Tensor) -> Tensor:
        """Squashed values, of any shape."""
        return 1.7159 * torch.tanh(2.0 / 3.0 * values)


class Subsample(nn.Module):
    """The sum of each 2x2 field times a trained coefficient plus a trained bias, one of each a map."""

    def __init__(self, maps: int) -> None:
        super().__init__()
        self.coefficient = nn.Parameter(torch.full((maps, 1, 1), 0.25))
        self.bias = nn.Parameter(torch.zeros(maps, 1, 1))

    def forward(self, maps: Tensor) -> Tensor:
        """Maps [N, maps, H, W] at half the size."""
        return 4.0 * F.avg_pool2d(maps, 2) * self.coefficient + self.bias


class PartialConvolution(nn.Module):
    """A convolution in which each output map sees only the input maps that `table` names; only those are parameters."""

    def __init__(self, inputs: int, table: tuple[tuple[int, ...], ...], size: int) -> None:
        super().__init__()
        self.inputs, self.outputs, self.size = inputs, len(table), size
        flat = [output * inputs + source for output, sources in enumerate(table) for source in sources]
        self.connections: Tensor
        self.register_buffer("connections", torch.tensor(flat), persistent=False)
        self.weight = nn.Parameter(torch.empty(len(flat), size, size))
        self.bias = nn.Parameter(torch.zeros(len(table)))
        for output, sources in enumerate(table):
            limit = 2.4 / (len(sources) * size * size)
            rows = [i for i, index in enumerate(flat) if index // inputs == output]
            nn.init.uniform_(self.weight.data[rows[0] : rows[-1] + 1], -limit, limit)

    def forward(self, maps: Tensor) -> Tensor:
        """Maps [N, outputs, H, W] of maps [N, inputs, H, W], smaller by size - 1."""
        empty = torch.zeros(
            [self.outputs * self.inputs, self.size, self.size], dtype=self.weight.dtype, device=self.weight.device
        )
        weight = empty.index_copy(0, self.connections, self.weight)
        return F.conv2d(maps, weight.view(self.outputs, self.inputs, self.size, self.size), self.bias)


class LeNet5Original(nn.Module):
    """LeNet-5 as LeCun, Bottou, Bengio and Haffner describe it in "Gradient-Based Learning" (1998).

    Scaled tanh, trained subsampling, C3 by its table of connections, weights drawn from ±2.4 / fan-in. One thing
    differs: the output is a plain dense layer of 84→10 rather than distances to fixed bitmaps, so that the logits are
    those of a softmax; it adds 850 to the paper's 60,000 trained parameters.
    """

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            # The paper's own: the ground, black here, becomes -0.1 and the ink, white here, 1.175.
            Normalise(mean=0.1 / 1.275, std=1 / 1.275, padding=2),
            nn.Conv2d(1, 6, 5), Squash(), Subsample(6), Squash(),
            PartialConvolution(6, C3_TABLE, 5), Squash(), Subsample(16), Squash(),
            nn.Flatten(),
            nn.Linear(16 * 5 * 5, 120), Squash(),
            nn.Linear(120, 84), Squash(),
            nn.Linear(84, 10),
        )  # fmt: skip
        for layer in self.layers:
            if isinstance(layer, nn.Linear | nn.Conv2d):
                limit = 2.4 / layer.weight[0].numel()
                nn.init.uniform_(layer.weight, -limit, limit)
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, pictures: Tensor) -> Tensor:
        """Logits of pictures."""
        logits: Tensor = self.layers(pictures)
        return logits


def folded(module: nn.Module) -> nn.Module:
    """A copy of a network, for inference, whose layers have taken in the batch norms that follow them.

    It gives the same logits to rounding, with fewer parameters.
    """
    network = copy.deepcopy(module).eval()
    layers: list[nn.Module] = []
    for layer in network.layers:  # type: ignore[union-attr]
        before = layers[-1] if layers else None
        if isinstance(layer, nn.BatchNorm2d) and isinstance(before, nn.Conv2d):
            layers[-1] = fuse_conv_bn_eval(before, layer)
        elif isinstance(layer, nn.BatchNorm1d) and isinstance(before, nn.Linear):
            layers[-1] = fuse_linear_bn_eval(before, layer)
        elif not isinstance(layer, nn.Identity | nn.Dropout):
            layers.append(layer)
    network.layers = nn.Sequential(*layers)
    return network


def digest(networks: Iterable[nn.Module]) -> str:
    """The sha256 of networks' weights."""
    found = hashlib.sha256()
    for network in networks:
        for tensor in network.state_dict().values():
            found.update(tensor.cpu().contiguous().numpy().tobytes())
    return found.hexdigest()


def parameters(module: nn.Module) -> int:
    """How many numbers of a module are trained."""
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)


def multiply_adds(module: nn.Module) -> int:
    """Multiplications with additions for one picture, in convolutions and dense layers."""
    total = 0

    def count(layer: nn.Module, _: object, output: Tensor) -> None:
        nonlocal total
        if isinstance(layer, PartialConvolution | nn.Conv2d):
            total += layer.weight.numel() * output[0, 0].numel()
        elif isinstance(layer, nn.Linear):
            total += layer.weight.numel()

    handles = [layer.register_forward_hook(count) for layer in module.modules()]
    training = module.training
    with torch.inference_mode():
        module.eval()(torch.zeros(1, 1, 28, 28))
    module.train(training)
    for handle in handles:
        handle.remove()
    return total
