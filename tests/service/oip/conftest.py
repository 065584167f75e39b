from collections.abc import Iterator

import httpx
import numpy as np
import pytest
import tritonclient.http as triton

from registry.rules import Floats
from tests.support import Linear, golden_pictures

MODELS = ("mlp", "cnn", "lenet5")  # as publish_three has them


@pytest.fixture(scope="package")
def address(client: httpx.Client) -> str:
    """Where the shared service is, as tritonclient wants it."""
    return f"{client.base_url.host}:{client.base_url.port}"


@pytest.fixture
def server(address: str) -> Iterator[triton.InferenceServerClient]:
    """Triton's own client of the shared service, at its defaults."""
    with triton.InferenceServerClient(address) as client:
        yield client


@pytest.fixture(scope="package")
def pictures() -> Floats:
    """Pictures [5, 1, 28, 28]."""
    return golden_pictures(5)


def logits(model: str, pictures: Floats) -> Floats:
    """What a model of `publish_three` gives for pictures."""
    weight = Linear(MODELS.index(model)).weight.detach().numpy()
    return np.asarray(pictures.reshape(len(pictures), -1) @ weight.T, dtype=np.float32)


def tensor(pictures: Floats, *, binary: bool = True) -> triton.InferInput:
    """Pictures as tritonclient sends them."""
    sent = triton.InferInput("INPUT__0", list(pictures.shape), "FP32")
    return sent.set_data_from_numpy(pictures, binary_data=binary)


def images(files: list[bytes]) -> triton.InferInput:
    """Picture files as tritonclient sends them."""
    return triton.InferInput("IMAGE", [len(files)], "BYTES").set_data_from_numpy(np.array(files, dtype=object))
