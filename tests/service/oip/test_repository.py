"""Models loaded and unloaded by Triton's own client."""

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from registry.rules import Floats
from service.app import create_app
from service.settings import Settings
from tests.service.oip.conftest import logits, tensor
from tests.support import Linear, hosting, publish_model, publish_three, wait_until_loaded


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three models and a gate, one version each."""
    return publish_three(tmp_path)


@pytest.fixture
def server(root: Path) -> Iterator[triton.InferenceServerClient]:
    """Triton's client of a service that looks at its artifacts only when it is told to."""
    with hosting(create_app(Settings(artifacts=root, poll_seconds=0))) as client:
        wait_until_loaded(client)
        with triton.InferenceServerClient(f"{client.base_url.host}:{client.base_url.port}") as found:
            yield found


def refused(call: object, name: str) -> InferenceServerException:
    """What a call on a model is refused by."""
    assert callable(call)
    with pytest.raises(InferenceServerException) as raised:
        call(name)
    return raised.value


def test_a_version_is_loaded_when_it_is_asked_for(
    server: triton.InferenceServerClient, root: Path, pictures: Floats
) -> None:
    """What was published meanwhile answers then, and the version before it no more."""
    publish_model(root, "cnn", Linear(7))
    assert server.get_model_metadata("cnn")["versions"] == ["1"]
    server.load_model("cnn")
    assert server.get_model_metadata("cnn")["versions"] == ["2"]
    answer = server.infer("cnn", [tensor(pictures)], model_version="2")
    assert answer.get_response()["model_version"] == "2"
    weight = Linear(7).weight.detach().numpy()
    assert answer.as_numpy("OUTPUT__0") == pytest.approx(pictures.reshape(5, 784) @ weight.T, abs=1e-4)
    assert not server.is_model_ready("cnn", "1")
    assert server.infer("digitvote", [tensor(pictures)]).as_numpy("VERSIONS")[0].tolist() == [1, 2, 1]


def test_a_version_that_does_not_pass_is_not_taken(
    server: triton.InferenceServerClient, root: Path, pictures: Floats
) -> None:
    """Loading says why, and the one before it answers on."""
    publish_model(root, "cnn", Linear(7))
    (root / "cnn" / "2" / "model.pt").write_bytes(b"damaged")
    error = refused(server.load_model, "cnn")
    assert error.status() == "400"
    assert "sha256" in error.message()
    answer = server.infer("cnn", [tensor(pictures)])
    assert answer.as_numpy("OUTPUT__0") == pytest.approx(logits("cnn", pictures), abs=1e-4)


def test_a_model_is_unloaded_and_loaded_again(server: triton.InferenceServerClient, pictures: Floats) -> None:
    """The others vote without it, and it says so; not one more can go, as too few would be left."""
    server.unload_model("cnn")
    assert not server.is_model_ready("cnn")
    assert server.is_server_ready()
    index = {each["name"]: each for each in server.get_model_repository_index()}
    assert (index["cnn"]["state"], index["mlp"]["state"]) == ("UNAVAILABLE", "READY")
    assert "unloaded" in index["cnn"]["reason"]
    answer = server.infer("digitvote", [tensor(pictures)])
    assert answer.as_numpy("VERSIONS")[0].tolist() == [1, -1, 1]
    assert np.isnan(answer.as_numpy("LOGITS")[:, 1]).all()
    error = refused(server.unload_model, "mlp")
    assert error.status() == "400"
    assert "must" in error.message()
    server.load_model("cnn")
    assert server.infer("digitvote", [tensor(pictures)]).as_numpy("VERSIONS")[0].tolist() == [1, 1, 1]


def test_a_model_is_loaded_though_nobody_waits_for_it(root: Path) -> None:
    """A deadline that is shorter than loading ends the request, not the rollout."""
    with hosting(create_app(Settings(artifacts=root, poll_seconds=0))) as client:
        wait_until_loaded(client)
        publish_model(root, "cnn", Linear(7))
        answer = client.post("/v2/repository/models/cnn/load", headers={"X-Request-Timeout-Ms": "1"})
        assert answer.status_code == 504
        for _ in range(600):
            if (cnn := client.get("/health").json()["models"][1])["version"] == 2:
                break
            time.sleep(0.02)
        assert (cnn["version"], cnn["tried"]) == (2, [])


def test_what_cannot_be_loaded_is_told(server: triton.InferenceServerClient) -> None:
    """An unknown model is 404, as is the vote itself; parameters are 400."""
    for name in ("nobody", "digitvote"):
        for call in (server.load_model, server.unload_model):
            assert refused(call, name).status() == "404"
    with pytest.raises(InferenceServerException, match="config") as raised:
        server.load_model("cnn", config="{}")
    assert raised.value.status() == "400"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://evil.example"}, 400),
        ({"Origin": "null", "Sec-Fetch-Site": "cross-site"}, 400),
        ({"Origin": "https://a.example", "Sec-Fetch-Site": "same-origin"}, 200),  # its own, behind a proxy
        ({"Origin": "http://digits.example", "Host": "digits.example"}, 200),
    ],
)
def test_pages_of_other_sites_load_and_unload_nothing(root: Path, headers: dict[str, str], status: int) -> None:
    """A browser that shows one may reach the service where its site cannot; the service's own pages may."""
    with hosting(create_app(Settings(artifacts=root))) as client:
        wait_until_loaded(client)
        for act in ("unload", "load"):
            answer = client.post(f"/v2/repository/models/cnn/{act}", headers=headers)
            assert answer.status_code == status
            assert ("Send no Origin" in answer.text) == (status == 400)
            cnn = client.get("/health").json()["models"][1]
            assert cnn["loaded"] == (act == "load" or status == 400)


def test_a_version_that_is_named_answers_beside_a_canary(root: Path, pictures: Floats) -> None:
    """Though another one takes half of the batches: each picture is judged by the version that was asked for."""
    publish_model(root, "cnn", Linear(7))
    with hosting(create_app(Settings(artifacts=root, versions="cnn=2:50%"))) as client:
        wait_until_loaded(client)
        with triton.InferenceServerClient(f"{client.base_url.host}:{client.base_url.port}") as server:
            found = [server.infer("cnn", [tensor(pictures[:1])]).get_response() for _ in range(4)]
            assert {each["model_version"] for each in found} == {"1", "2"}
            for _ in range(4):
                answer = server.infer("cnn", [tensor(pictures[:1])], model_version="1")
                assert answer.get_response()["model_version"] == "1"
                assert answer.as_numpy("OUTPUT__0") == pytest.approx(logits("cnn", pictures[:1]), abs=1e-4)
