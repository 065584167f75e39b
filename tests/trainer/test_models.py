"""The networks' sizes and shapes, and that they can be published."""

import copy

import pytest
import torch
from torch import nn

from registry import torchscript
from trainer import models

NETWORKS: dict[str, nn.Module] = {
    "mlp": models.MLP([64, 32], 0.1),
    "cnn": models.CNN([[8], [16, 16]], 0.1),
    "cnn-dense": models.CNN([[8], [16]], 0.1, (32,)),
    "lenet5": models.LeNet5(),
    "lenet5-relu": models.LeNet5(averaged=True),
    "lenet5-batch-norm": models.LeNet5(batch_norm=True),
    "lenet5-1998": models.LeNet5Original(),
}


def test_parameters() -> None:
    """LeNet-5 has its classic 61,706 parameters; the original the paper's 60,000 and 850 of the dense output."""
    assert models.parameters(models.LeNet5()) == 61_706
    assert models.parameters(models.LeNet5(averaged=True)) == 61_706
    assert models.parameters(models.CNN([[8]], 0, (32,))) == 8 * 9 + 16 + 8 * 14 * 14 * 32 + 32 + 330
    assert models.parameters(models.LeNet5Original()) == 60_000 + 850
    assert models.parameters(models.MLP([1024, 1024], 0.1)) == 784 * 1024 + 1024 * 1024 + 4 * 1024 + 10_250


@pytest.mark.parametrize("name", NETWORKS)
def test_folded(name: str) -> None:
    """A network without its batch norms and dropout gives the logits that it gave with them, and is left as it was."""
    network = copy.deepcopy(NETWORKS[name]).train()
    for _ in range(3):  # running means and variances that are not those of a new layer
        network(torch.rand(16, 1, 28, 28))
    folded = models.folded(network)
    assert not any(isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d | nn.Dropout) for layer in folded.modules())
    assert network.training
    assert not folded.training
    pictures = torch.rand(4, 1, 28, 28)
    assert torch.allclose(folded(pictures), network.eval()(pictures), atol=1e-5)


def test_batch_norm_adds_no_parameters() -> None:
    """LeNet-5 trained with batch norm is published with its classic 61,706 parameters."""
    assert models.parameters(models.folded(models.LeNet5(batch_norm=True))) == 61_706


def test_original_layer_by_layer() -> None:
    """C1, S2, C3, S4, C5 and F6 have as many trained parameters as the paper says."""
    counts = [models.parameters(layer) for layer in models.LeNet5Original().layers]
    assert [count for count in counts if count][:-1] == [156, 12, 1_516, 32, 48_120, 10_164]


def test_c3_table() -> None:
    """Six maps of C3 see 3 neighbouring maps of S2, nine see 4 and one sees all, as in table I of the paper."""
    sizes = [len(sources) for sources in models.C3_TABLE]
    assert sizes == [3] * 6 + [4] * 9 + [6]
    assert len(set(models.C3_TABLE)) == 16
    assert [sum(source in sources for sources in models.C3_TABLE) for source in range(6)] == [10] * 6
    for start, sources in enumerate(models.C3_TABLE[:12]):
        neighbours = 3 if start < 6 else 4
        assert set(sources) == {(start + step) % 6 for step in range(neighbours)}
    for sources in models.C3_TABLE[12:15]:
        assert {(source + 3) % 6 for source in sources} == set(sources)


def test_c3_sees_what_its_table_says() -> None:
    """Changing one map of S2 changes exactly those maps of C3 whose row names it."""
    layer = models.PartialConvolution(6, models.C3_TABLE, 5)
    maps = torch.rand(1, 6, 14, 14)
    before = layer(maps)
    for source in range(6):
        other = maps.clone()
        other[0, source] += 1
        changed = (layer(other) != before).flatten(2).any(2)[0]
        assert changed.tolist() == [source in sources for sources in models.C3_TABLE]


def test_multiply_adds() -> None:
    """Multiply-adds of LeNet-5 are those counted by hand."""
    by_hand = 6 * 25 * 28 * 28 + 16 * 6 * 25 * 10 * 10 + 400 * 120 + 120 * 84 + 84 * 10
    assert models.multiply_adds(models.LeNet5()) == by_hand


@pytest.mark.parametrize("name", NETWORKS)
def test_scripted(name: str) -> None:
    """Every network gives [N, 10] logits for any N, the same once written as `model.pt` and read back."""
    module = NETWORKS[name].eval()
    read = torchscript.load(torchscript.dump(module))
    for count in (1, 3):
        pictures = torch.rand(count, 1, 28, 28)
        with torch.inference_mode():
            expected, found = module(pictures), read(pictures)
        assert expected.shape == (count, 10)
        assert torch.allclose(expected, found, atol=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_parameter_is_trained(name: str) -> None:
    """Each parameter of a network gets a gradient."""
    module = NETWORKS[name].train()
    module(torch.rand(4, 1, 28, 28)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in module.parameters())


def test_normalise() -> None:
    """Padding is black before normalisation, so that it looks like the ground around a digit."""
    out = models.Normalise(padding=2)(torch.zeros(1, 1, 28, 28))
    assert out.shape == (1, 1, 32, 32)
    assert torch.allclose(out, torch.full_like(out, -0.1307 / 0.3081))
