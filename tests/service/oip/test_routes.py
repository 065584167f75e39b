"""The protocol's routes over plain HTTP: errors in its form, whoever makes them, and what clients do not show."""

import gzip
import json
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registry.rules import Floats
from service.app import create_app
from service.engine.backend import infer
from service.models import Model
from service.settings import Settings
from service.vote import Ballot
from tests.service.oip.test_request import HEADERS, REQUESTS, given_input
from tests.service.test_metrics import samples
from tests.support import drawing, encoded, hosting, publish_three, wait_until_loaded

INFER = "/v2/models/digitvote/infer"


def error(answer: httpx.Response, status: int) -> str:
    """What an error says, which must be of this status and in the protocol's form."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-request-id"]
    told = answer.json()
    assert set(told) == {"error"}
    assert isinstance(told["error"], str)
    assert told["error"]
    return str(told["error"])


def test_every_error_has_the_protocols_form(client: httpx.Client) -> None:
    """Of the routes, of the framework and of the limits, and for browsers, too."""
    error(client.get("/v2/nothing"), 404)
    error(client.get("/v2/models/nobody"), 404)
    error(client.get("/v2/models/nobody/ready"), 404)
    error(client.get("/v2/models/cnn/versions/x/stats"), 404)
    error(client.get(INFER), 405)
    error(client.delete("/v2"), 405)
    error(client.post(INFER, content=b"x" * (2**20 + 1)), 413)
    error(client.post(INFER, content=gzip.compress(bytes(2**22)), headers={"content-encoding": "gzip"}), 413)
    error(client.post(INFER, content=b"{}", headers={"content-encoding": "br"}), 415)
    error(client.post(INFER, content=b"{}", headers={"accept": "text/html"}), 400)
    error(client.post(INFER, content=b"{}", headers={"x-request-timeout-ms": "soon"}), 400)
    error(client.post("/v2/repository/index", content=b"[]"), 400)
    assert client.get("/v2x").headers["content-type"] == "application/problem+json"


def test_pictures_in_json_are_read(client: httpx.Client) -> None:
    """By plain JSON, as curl sends it, whatever it says its type is."""
    told = {"id": "7", "inputs": [given_input()], "outputs": [{"name": "LABEL"}]}
    answer = client.post(INFER, content=json.dumps(told), headers={"content-type": "application/x-www-form-urlencoded"})
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    assert (found["id"], found["model_name"], found["model_version"]) == ("7", "digitvote", "1")
    assert [(each["datatype"], each["shape"], len(each["data"])) for each in found["outputs"]] == [("INT64", [1], 1)]


def test_tensors_share_batches_with_pictures(artifacts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes while a batch runs is the next one together: three tensors of one request, and a picture."""
    begun, may = threading.Event(), threading.Event()

    def slow(models: Sequence[Model], batch: Floats) -> list[Ballot]:
        begun.set()
        may.wait(60)
        return infer(models, batch)

    three = {"inputs": [given_input(shape=[3, 1, 28, 28], data=[0.5] * (3 * 784))]}
    with hosting(create_app(Settings(artifacts=artifacts))) as client, ThreadPoolExecutor() as pool:
        wait_until_loaded(client)
        monkeypatch.setattr("service.ensemble.infer", slow)
        first = pool.submit(client.post, INFER, json=three)
        assert begun.wait(60)
        second = pool.submit(client.post, "/v2/models/cnn/infer", json=three)
        alone = pool.submit(client.post, "/predict", files={"file": encoded(drawing())})
        while client.get("/health").json()["queued"] < 4:
            assert not second.done()
        may.set()
        assert first.result().status_code == second.result().status_code == 200
        assert alone.result().json()["receipt"]["batch_size"] == 4


def test_large_requests_are_read_beside_others(client: httpx.Client) -> None:
    """JSON of more than 256 KiB, which is read in a thread, is answered as any other."""
    told = {"inputs": [given_input(shape=[40, 1, 28, 28], data=[0.123456] * (40 * 784))]}
    text = json.dumps(told)
    assert len(text) > 2**18
    answer = client.post("/v2/models/mlp/infer", content=text)
    assert answer.json()["outputs"][0]["shape"] == [40, 10]


def test_the_index_can_leave_out_what_does_not_answer(tmp_path: Path) -> None:
    """With two of three models loaded the third is unavailable, with the reason, and not ready."""
    root = publish_three(tmp_path)
    (root / "cnn" / "1" / "model.pt").write_bytes(b"damaged")
    with hosting(create_app(Settings(artifacts=root))) as client:
        wait_until_loaded(client)
        index = {each["name"]: each for each in client.post("/v2/repository/index").json()}
        assert index["cnn"]["state"] == "UNAVAILABLE"
        assert "sha256" in index["cnn"]["reason"]
        ready = client.post("/v2/repository/index", json={"ready": True}).json()
        assert [each["name"] for each in ready] == ["mlp", "lenet5", "digitvote"]
        assert "sha256" in error(client.get("/v2/models/cnn/ready"), 503)
        told = {"inputs": [given_input()]}
        assert "sha256" in error(client.post("/v2/models/cnn/infer", json=told), 503)
        whole = client.post(INFER, json=told).json()
        assert next(each["data"] for each in whole["outputs"] if each["name"] == "VERSIONS") == [1, -1, 1]
        assert client.get("/v2/health/ready").json() == {"ready": True}


def test_without_models_it_lives_and_is_not_ready(tmp_path: Path) -> None:
    """The process answers `live`; `ready`, a model and a request are 503, with the reason."""
    with hosting(create_app(Settings(artifacts=tmp_path))) as client:
        wait_until_loaded(client)
        assert client.get("/v2/health/live").json() == {"live": True}
        for answer in (
            client.get("/v2/health/ready"),
            client.get("/v2/models/digitvote/ready"),
            client.post(INFER, json={"inputs": [given_input()]}),
        ):
            assert "0 of 3 models can vote" in error(answer, 503)
            assert answer.headers["retry-after"]


def test_refused_requests_are_counted_by_their_route(client: httpx.Client) -> None:
    """Also where the limits refuse them before they are routed."""
    key = (
        "digitvote_requests_total",
        frozenset({"route": "/v2/models/{model}/infer", "method": "POST", "status": "413"}.items()),
    )
    before = samples(client.get("/metrics").text).get(key, 0)
    client.post("/v2/models/lenet5/infer", content=b"x" * (2**20 + 1))
    assert samples(client.get("/metrics").text)[key] == before + 1


def test_the_document_has_the_protocol(client: httpx.Client) -> None:
    """Each route has its tag, and each reference leads somewhere."""
    document = client.get("/openapi.json").json()
    paths = {path: operations for path, operations in document["paths"].items() if path.startswith("/v2")}
    assert all(
        each["tags"] == ["open inference protocol"] for operations in paths.values() for each in operations.values()
    )
    infer = paths["/v2/models/{model}/versions/{version}/infer"]["post"]
    assert [each["name"] for each in infer["parameters"]] == ["model", "version", "Inference-Header-Content-Length"]
    assert set(infer["requestBody"]["content"]) == {"application/json", "application/octet-stream"}
    assert set(infer["responses"]) == {"200", "400", "404", "408", "413", "415", "500", "503", "504"}
    for operation in (each for operations in paths.values() for each in operations.values()):
        for status, entry in operation["responses"].items():
            if status != "200":
                assert entry["content"] == {"application/json": {"schema": {"$ref": "#/components/schemas/Failure"}}}
    schemas = document["components"]["schemas"]
    for found in json.dumps(document).split('"$ref": "#/components/schemas/')[1:]:
        assert found.split('"')[0] in schemas


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(REQUESTS, st.binary(max_size=10), HEADERS, st.sampled_from(["cnn", "digitvote"]))
def test_no_request_fails_the_service(
    client: httpx.Client, told: object, behind: bytes, header: str | None, model: str
) -> None:
    """Whatever is sent, it is answered, or refused with 400 in words."""
    headers = (
        {}
        if header is None or not header.isascii() or not header.isprintable()
        else {"Inference-Header-Content-Length": header}
    )
    answer = client.post(f"/v2/models/{model}/infer", content=json.dumps(told).encode() + behind, headers=headers)
    if answer.status_code != 200:
        error(answer, 400)
