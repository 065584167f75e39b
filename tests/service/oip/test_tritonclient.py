"""Triton's own client, at its defaults, against the service with small models."""

from typing import Any

import httpx
import numpy as np
import pytest
import tritonclient.http as triton
import tritonclient.http.aio as asynchronous
from google.protobuf import json_format
from tritonclient.grpc import model_config_pb2
from tritonclient.utils import InferenceServerException

from registry.rules import Floats
from tests.service.oip.conftest import MODELS, images, logits, tensor
from tests.support import drawing, encoded

FILES = [encoded(drawing(seed)) for seed in range(3)]


def test_it_is_alive_and_ready_and_says_what_it_is(server: triton.InferenceServerClient) -> None:
    """Health, metadata and readiness of each model are as the client expects them."""
    assert server.is_server_live()
    assert server.is_server_ready()
    told = server.get_server_metadata()
    assert told["name"] == "digitvote"
    assert {"binary_tensor_data", "classification", "statistics"} <= set(told["extensions"])
    for model in (*MODELS, "digitvote"):
        assert server.is_model_ready(model)
        assert server.is_model_ready(model, "1")
    assert not server.is_model_ready("nobody")
    assert not server.is_model_ready("cnn", "7")


def test_metadata_and_configuration_agree(server: triton.InferenceServerClient) -> None:
    """The configuration parses as Triton's ModelConfig, and its tensors are those of the metadata."""
    for model in (*MODELS, "digitvote"):
        told = server.get_model_metadata(model)
        config = json_format.ParseDict(server.get_model_config(model), model_config_pb2.ModelConfig())
        assert (told["name"], told["versions"], config.name) == (model, ["1"], model)
        assert told["platform"] == config.platform
        assert config.max_batch_size == 64
        for tensors, ports in ((told["inputs"], config.input), (told["outputs"], config.output)):
            assert [each["name"] for each in tensors] == [port.name for port in ports]
            assert [each["shape"] for each in tensors] == [[-1, *port.dims] for port in ports]
            kinds = [model_config_pb2.DataType.Name(port.data_type).removeprefix("TYPE_") for port in ports]
            assert [each["datatype"].replace("BYTES", "STRING") for each in tensors] == kinds


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False])
def test_a_model_gives_its_own_logits(
    server: triton.InferenceServerClient, pictures: Floats, binary_in: bool, binary_out: bool
) -> None:
    """Of each model, in the JSON and behind it, both ways."""
    for model in MODELS:
        wanted = [triton.InferRequestedOutput("OUTPUT__0", binary_data=binary_out)]
        answer = server.infer(model, [tensor(pictures, binary=binary_in)], outputs=wanted, request_id="mine")
        assert answer.as_numpy("OUTPUT__0") == pytest.approx(logits(model, pictures), abs=1e-4)
        told = answer.get_response()
        assert (told["id"], told["model_name"], told["model_version"]) == ("mine", model, "1")
        assert ("data" in told["outputs"][0]) is not binary_out


@pytest.mark.parametrize("packed", ["gzip", "deflate"])
def test_bodies_are_packed_both_ways(server: triton.InferenceServerClient, pictures: Floats, packed: str) -> None:
    """What is sent and what comes back may be gzip or deflate."""
    how = {"request_compression_algorithm": packed, "response_compression_algorithm": packed}
    answer = server.infer("cnn", [tensor(pictures)], model_version="1", **how)
    assert answer.as_numpy("OUTPUT__0") == pytest.approx(logits("cnn", pictures), abs=1e-4)


def test_the_likeliest_labels_are_as_triton_writes_them(server: triton.InferenceServerClient, pictures: Floats) -> None:
    """`classification` gives value:index:label, the highest value first; more than there are is all of them."""
    for binary in (True, False):
        wanted = [triton.InferRequestedOutput("OUTPUT__0", binary_data=binary, class_count=3)]
        found = server.infer("mlp", [tensor(pictures)], outputs=wanted).as_numpy("OUTPUT__0")
        assert found.shape == (5, 3)
        for row, expected in zip(found, logits("mlp", pictures), strict=True):
            parts = [(each.decode() if isinstance(each, bytes) else each).split(":") for each in row]
            order = np.argsort(-expected)[:3]
            assert [int(index) for _, index, _ in parts] == order.tolist()
            assert [label for _, _, label in parts] == [str(index) for index in order]
            assert [float(value) for value, _, _ in parts] == pytest.approx(expected[order], abs=1e-4)
    wanted = [triton.InferRequestedOutput("PROBABILITIES", class_count=99)]
    assert server.infer("digitvote", [tensor(pictures)], outputs=wanted).as_numpy("PROBABILITIES").shape == (5, 10)


def test_the_vote_on_tensors(server: triton.InferenceServerClient, pictures: Floats) -> None:
    """All outputs of the ensemble agree with each other and with the models' own."""
    answer = server.infer("digitvote", [tensor(pictures)])
    shares = answer.as_numpy("PROBABILITIES")
    assert shares.sum(axis=1) == pytest.approx(np.ones(5), abs=1e-5)
    assert answer.as_numpy("LABEL").tolist() == shares.argmax(axis=1).tolist()
    assert answer.as_numpy("CONFIDENCE") == pytest.approx(shares.max(axis=1), abs=1e-5)
    own = np.stack([logits(model, pictures) for model in MODELS], axis=1)
    assert answer.as_numpy("LOGITS") == pytest.approx(own, abs=1e-4)
    assert answer.as_numpy("LABELS").tolist() == own.argmax(axis=2).tolist()
    assert answer.as_numpy("VERSIONS").tolist() == [[1, 1, 1]] * 5
    agreement = (answer.as_numpy("LABELS") == answer.as_numpy("LABEL")[:, None]).mean(axis=1)
    assert answer.as_numpy("AGREEMENT") == pytest.approx(agreement, abs=1e-5)
    reasons = [reason.decode() for reason in answer.as_numpy("REASON")]
    assert answer.as_numpy("ACCEPTED").tolist() == [reason == "" for reason in reasons]


@pytest.mark.parametrize("count", [1, 3])
def test_the_vote_on_picture_files(server: triton.InferenceServerClient, client: httpx.Client, count: int) -> None:
    """Each gets the answer that /predict gives it, alone and with others."""
    answer = server.infer("digitvote", [images(FILES[:count])])
    for place, content in enumerate(FILES[:count]):
        alone = client.post("/predict", files={"file": content}).json()
        assert answer.as_numpy("LABEL")[place] == alone["label"]
        assert answer.as_numpy("CONFIDENCE")[place] == pytest.approx(alone["confidence"], abs=1e-5)
        assert answer.as_numpy("ACCEPTED")[place] == alone["accepted"]
        assert answer.as_numpy("REASON")[place].decode() == (alone["reason"] or "")
        assert answer.as_numpy("LABELS")[place].tolist() == [vote["label"] for vote in alone["votes"]]


def test_calls_in_flight_together(server: triton.InferenceServerClient, pictures: Floats) -> None:
    """The client's own asynchronous calls, by greenlets, all get their answers."""
    calls = [server.async_infer("cnn", [tensor(pictures[at : at + 1])]) for at in range(5)]
    found = np.concatenate([call.get_result().as_numpy("OUTPUT__0") for call in calls])
    assert found == pytest.approx(logits("cnn", pictures), abs=1e-4)


@pytest.mark.anyio
async def test_the_asyncio_client(address: str, pictures: Floats) -> None:
    """At its defaults, which ask for packed answers, and without: the same calls, the same answers."""
    async with asynchronous.InferenceServerClient(address) as server:
        assert await server.is_server_live()
        assert await server.is_server_ready()
        assert await server.is_model_ready("digitvote")
        assert (await server.get_server_metadata())["name"] == "digitvote"
        assert (await server.get_model_metadata("cnn"))["inputs"][0]["shape"] == [-1, 1, 28, 28]
        assert (await server.get_model_config("cnn"))["max_batch_size"] == 64
        assert len(await server.get_model_repository_index()) == 4
        assert (await server.get_inference_statistics("cnn"))["model_stats"][0]["name"] == "cnn"
        for headers in (None, {"Accept-Encoding": "identity"}):
            answer = await server.infer("cnn", [tensor(pictures)], headers=headers)
            assert answer.as_numpy("OUTPUT__0") == pytest.approx(logits("cnn", pictures), abs=1e-4)
        answer = await server.infer("digitvote", [images(FILES)], request_compression_algorithm="gzip")
        assert answer.as_numpy("LABEL").shape == (3,)
        with pytest.raises(InferenceServerException, match="no model 'nobody'") as raised:
            await server.infer("nobody", [tensor(pictures)])
        assert raised.value.status() == "404"


def test_the_index_of_models(server: triton.InferenceServerClient) -> None:
    """Each model is there with its version and state."""
    assert server.get_model_repository_index() == [
        {"name": name, "version": "1", "state": "READY", "reason": ""} for name in (*MODELS, "digitvote")
    ]


def _counts(told: dict[str, Any]) -> dict[str, int]:
    (stats,) = told["model_stats"]
    counts = {name: stats["inference_stats"][name]["count"] for name in ("success", "fail", "queue", "compute_infer")}
    return {**counts, "pictures": stats["inference_count"], "batches": stats["execution_count"]}


@pytest.mark.parametrize("model", ["lenet5", "digitvote"])
def test_statistics_count_what_was_asked(server: triton.InferenceServerClient, pictures: Floats, model: str) -> None:
    """A request of five pictures and one that fails are counted, and the time of the last is told."""
    before = _counts(server.get_inference_statistics(model))
    server.infer(model, [tensor(pictures)])
    with pytest.raises(InferenceServerException):
        server.infer(model, [tensor(pictures)], outputs=[triton.InferRequestedOutput("NOTHING")])
    told = server.get_inference_statistics(model, "1")
    after = _counts(told)
    assert after["success"] - before["success"] == after["fail"] - before["fail"] == 1
    assert after["pictures"] - before["pictures"] == after["queue"] - before["queue"] == 5
    assert 1 <= after["batches"] - before["batches"] <= 5
    assert told["model_stats"][0]["inference_stats"]["compute_infer"]["ns"] > 0
    assert told["model_stats"][0]["last_inference"] > 1_600_000_000_000
    assert [each["name"] for each in server.get_inference_statistics()["model_stats"]] == [*MODELS, "digitvote"]


def test_errors_reach_the_client_in_words(server: triton.InferenceServerClient, pictures: Floats) -> None:
    """An unknown model or version is 404, what is sent wrongly 400, and the message says which it is."""
    wrong = images([FILES[0], b"no picture"])
    several: list[tuple[str, str, list[triton.InferInput], str, str]] = [
        ("nobody", "", [tensor(pictures)], "404", "no model 'nobody'"),
        ("cnn", "7", [tensor(pictures)], "404", "no version '7'"),
        ("cnn", "", [tensor(np.zeros((65, 1, 28, 28), np.float32))], "400", "65 pictures; 1 to 64"),
        ("cnn", "", [tensor(np.zeros((1, 28, 28), np.float32))], "400", r"shape \[1, 28, 28\]"),
        ("cnn", "", [tensor(pictures * 255)], "400", "from 0"),
        ("cnn", "", [tensor(pictures * np.float32("nan"))], "400", "from 0"),
        ("cnn", "", [images(FILES)], "400", "must be INPUT__0"),
        ("digitvote", "", [tensor(pictures), images(FILES)], "400", "INPUT__0 or IMAGE"),
        ("digitvote", "", [wrong], "400", "IMAGE 1: This is not a picture"),
    ]
    for model, version, inputs, status, words in several:
        with pytest.raises(InferenceServerException, match=words) as raised:
            server.infer(model, inputs, model_version=version)
        assert raised.value.status() == status
