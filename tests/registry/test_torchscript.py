import io
import warnings
from pathlib import Path

import pytest
import torch

from registry import torchscript
from registry.open import open_version
from tests.support import Linear, golden_pictures, publish_model


class Convolving(torch.nn.Sequential):
    """The smallest model with a convolution: logits [N, 10] of pictures [N, 1, 28, 28]."""

    def __init__(self) -> None:
        super().__init__(
            torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(4 * 26 * 26, 10)
        )


def test_a_published_model_gives_its_golden_logits(tmp_path: Path) -> None:
    """What is opened again answers as it did when it was published."""
    publish_model(tmp_path, "mlp", Linear(3))
    artifact = open_version(tmp_path, "mlp", 1)
    artifact.golden.check(torchscript.predictor(torchscript.optimize(torchscript.load(artifact.model))))


def test_the_deprecation_of_torchscript_is_known() -> None:
    """Dumping and loading give no warning, so that warnings can be errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        torchscript.optimize(torchscript.load(torchscript.dump(Convolving())))


@pytest.mark.parametrize(("module", "convolves"), [(Linear(0), False), (Convolving(), True)])
def test_only_convolutions_are_packed(module: torch.nn.Module, *, convolves: bool) -> None:
    """A module with convolutions gets packed ones, one without stays as it is."""
    loaded = torchscript.load(torchscript.dump(module))
    assert torchscript.has_convolutions(loaded) == convolves
    assert ("mkldnn" in str(torchscript.optimize(loaded).graph)) == convolves


@pytest.mark.parametrize("module", [Linear(0), Convolving()])
def test_batches_of_any_size_give_what_single_pictures_give(module: torch.nn.Module) -> None:
    """An optimized module answers a picture alike, whatever batch it comes in."""
    predict = torchscript.predictor(torchscript.optimize(torchscript.load(torchscript.dump(module))))
    pictures = golden_pictures(37)
    alone = [predict(pictures[row : row + 1])[0] for row in range(37)]
    for size in (2, 7, 37):
        torch.testing.assert_close(
            torch.from_numpy(predict(pictures[:size])), torch.stack([torch.from_numpy(row) for row in alone[:size]])
        )


def test_bytes_that_are_no_module_are_refused() -> None:
    """Loading what is no TorchScript archive raises, it does not crash."""
    with pytest.raises(RuntimeError):
        torchscript.load(io.BytesIO(b"not a module").getvalue())


def test_a_dump_names_no_path_of_the_machine() -> None:
    """The archive holds no record of the source's files, here or in an installed package."""
    content = torchscript.dump(Linear(0))
    for path in (str(Path(__file__).parents[2]), "site-packages", "debug_pkl"):
        assert path.encode() not in content
    assert torchscript.load(content) is not None
