import json
import logging
import shutil
import socket
import threading
import warnings
from base64 import b64decode
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from PIL import Image

from imaging import read
from service.acceptance import CONFIDENCE
from service.access import REFUSALS
from service.app import create_app
from service.errors import MEDIA_TYPE, all_errors
from service.guard import Limits
from service.models import load_version
from service.settings import Settings
from tests.support import (
    OF_FEEDBACK,
    Fragile,
    Nowhere,
    drawing,
    encoded,
    hosting,
    publish_model,
    publish_three,
    wait_until_loaded,
)
from tests.waiting import until


def predict(client: httpx.Client, content: bytes) -> httpx.Response:
    return client.post("/predict", files={"file": ("digit.png", content)})


def votes(answer: httpx.Response) -> Any:
    """All of an answer that depends on the picture alone."""
    return {key: value for key, value in answer.json().items() if key != "receipt"}


def test_an_answer_holds_the_vote_and_how_it_came_about(client: httpx.Client) -> None:
    """Label, confidence and agreement fit the votes, and the receipt says what it cost."""
    answer = predict(client, encoded(drawing())).json()
    assert [vote["model"] for vote in answer["votes"]] == ["mlp", "cnn", "lenet5"]
    for vote in answer["votes"]:
        assert len(vote["probabilities"]) == 10
        assert vote["probabilities"][vote["label"]] == max(vote["probabilities"]) == vote["confidence"]
        assert sum(vote["probabilities"]) == pytest.approx(1, abs=1e-4)
    backing = [vote for vote in answer["votes"] if vote["label"] == answer["label"]]
    assert answer["agreement"] == pytest.approx(len(backing) / 3, abs=1e-6)
    assert answer["rule"] == "weighted"
    weighted = sum(
        vote["probabilities"][answer["label"]] * weight for vote, weight in zip(answer["votes"], (1, 2, 3), strict=True)
    )
    assert answer["confidence"] == pytest.approx(weighted / 6, abs=1e-5)
    assert answer["missing"] == answer["warnings"] == []
    assert answer["accepted"] == (answer["confidence"] >= CONFIDENCE["balanced"]) == (answer["reason"] is None)
    assert answer["receipt"]["batch_size"] >= 1
    assert answer["receipt"]["device"] in ("cpu", "cuda")
    assert all(answer["receipt"][f"{step}_ms"] >= 0 for step in ("decode", "queue", "inference"))


def test_64_at_once_share_batches_and_none_is_mixed_up(client: httpx.Client) -> None:
    """Of 64 concurrent pictures some share a batch, and each gets the answer that it gets alone."""
    pictures = [encoded(drawing(seed)) for seed in range(64)]
    alone = [votes(predict(client, picture)) for picture in pictures]
    assert len({json.dumps(answer) for answer in alone}) == 64, "the pictures must have answers of their own"
    with ThreadPoolExecutor(64) as pool:
        together = list(pool.map(lambda picture: predict(client, picture), pictures))
    assert max(answer.json()["receipt"]["batch_size"] for answer in together) > 1
    for one, other in zip(alone, together, strict=True):
        found = votes(other)
        assert found["label"] == one["label"]
        assert found["confidence"] == pytest.approx(one["confidence"], abs=1e-5)
        for mine, theirs in zip(one["votes"], found["votes"], strict=True):
            assert mine["probabilities"] == pytest.approx(theirs["probabilities"], abs=1e-5)


def test_a_request_keeps_its_id_through(client: httpx.Client) -> None:
    """X-Request-ID comes back in the header and the receipt; without one, each answer has its own."""
    files = {"file": encoded(drawing())}
    named = client.post("/predict", files=files, headers={"X-Request-ID": "mine-7"})
    assert named.headers["x-request-id"] == named.json()["receipt"]["request_id"] == "mine-7"
    assert predict(client, encoded(drawing())).headers["x-request-id"] != client.get("/health").headers["x-request-id"]


BAD: dict[str, tuple[bytes, int, str]] = {
    "an empty file": (b"", 422, "empty-file"),
    "text named .png": (b"seven", 415, "not-a-picture"),
    "a truncated PNG": (encoded(drawing())[:300], 415, "broken-picture"),
    "a blank picture": (encoded(Image.new("L", (50, 50), 255)), 422, "blank-picture"),
    "50 megapixels": (encoded(Image.new("1", (10_000, 5_000))), 422, "too-many-pixels"),
    "over the limit": (b"x" * (2**20 + 1), 413, "body-too-large"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_answered_with_what_to_do(client: httpx.Client, case: str) -> None:
    """Each bad input has its own problem, in words, with the request's id."""
    content, status, name = BAD[case]
    answer = predict(client, content)
    assert (answer.status_code, answer.headers["content-type"]) == (status, MEDIA_TYPE)
    problem = answer.json()
    assert problem["type"] == f"urn:digitvote:{name}"
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert any(word in problem["detail"] for word in ("Send", "Scale", "Save", "Check"))


def test_a_bad_picture_among_good_ones_fails_alone(client: httpx.Client) -> None:
    """Good pictures posted beside damaged ones are all answered."""
    contents = [encoded(drawing(row)) if row % 4 else b"not a picture" for row in range(32)]
    with ThreadPoolExecutor(32) as pool:
        statuses = [answer.status_code for answer in pool.map(lambda content: predict(client, content), contents)]
    assert statuses == [200 if row % 4 else 415 for row in range(32)]


def test_other_routes_and_methods_are_problems_too(client: httpx.Client) -> None:
    """404 and 405 come as problem+json, 405 with the methods allowed."""
    assert client.get("/nowhere").json()["type"] == "urn:digitvote:not-found"
    wrong = client.get("/predict")
    assert (wrong.status_code, wrong.json()["type"], wrong.headers["allow"]) == (
        405,
        "urn:digitvote:method-not-allowed",
        "POST",
    )


def test_models_shows_the_manifests(client: httpx.Client, artifacts: Path) -> None:
    """GET /models holds each loaded version's whole manifest."""
    for entry in client.get("/models").json()["models"]:
        written = json.loads((artifacts / entry["model"] / "1" / "manifest.json").read_text())
        assert entry["manifest"] == written
        assert entry["loaded"]
        assert entry["sha256"] == written["sha256"]


NOT_OF_PREDICT = {
    "not-found",
    "method-not-allowed",
    "too-many-shapes",
    "too-many-pictures",
    "broken-archive",
}


def test_the_openapi_document_names_every_error_of_predict(client: httpx.Client) -> None:
    """Each status that /predict can give is described by a model, with an example a row of the table."""
    document = client.get("/openapi.json").json()
    documented = document["paths"]["/predict"]["post"]["responses"]
    shown = set()
    for status, entry in documented.items():
        if status != "200":
            assert entry["content"][MEDIA_TYPE]["schema"] == {"$ref": "#/components/schemas/Problem"}
            assert "application/json" not in entry["content"]
            shown |= set(entry["content"][MEDIA_TYPE]["examples"])
    assert shown == {row.name for row in all_errors()} - NOT_OF_PREDICT - OF_FEEDBACK - {row.name for row in REFUSALS}
    for path, operations in document["paths"].items():
        for operation in operations.values():
            assert operation["summary"], path
            assert operation["description"], path
            answer = operation["responses"]["200"]["content"]
            assert "text/plain" in answer or answer["application/json"]["schema"], path


def limits_of(app: FastAPI) -> Limits:
    """What bounds the uploads of an app that has answered a request."""
    found: Any = app.middleware_stack
    while not isinstance(found, Limits):
        found = found.app
    return found


def app_of(artifacts: Path, **changes: Any) -> FastAPI:
    return create_app(Settings(artifacts=artifacts, **changes))


def test_two_of_three_vote_and_health_says_degraded(tmp_path: Path) -> None:
    """A corrupt model does not take the service down: 200, degraded, the reason, and a missing vote in the answer."""
    publish_three(tmp_path)
    (tmp_path / "cnn" / "1" / "model.pt").write_bytes(b"altered")
    with hosting(app_of(tmp_path)) as client:
        health = wait_until_loaded(client)
        assert client.get("/health").status_code == 200
        assert (health["state"], health["reason"]) == ("degraded", "not voting: cnn")
        assert "sha256" in health["models"][1]["reason"]
        answer = predict(client, encoded(drawing())).json()
        assert [vote["model"] for vote in answer["votes"]] == ["mlp", "lenet5"]
        assert answer["missing"] == [{"model": "cnn", "version": None, "reason": "not loaded: see /health"}]


def test_below_the_quorum_health_and_predict_are_503(tmp_path: Path) -> None:
    """One model of three is not enough: failed, by name, with why."""
    publish_three(tmp_path)
    shutil.rmtree(tmp_path / "cnn")
    (tmp_path / "mlp" / "1" / "manifest.json").unlink()
    with hosting(app_of(tmp_path)) as client:
        health = wait_until_loaded(client)
        assert client.get("/health").status_code == 503
        assert (health["state"], health["reason"]) == ("failed", "1 of 3 models can vote, 2 must")
        answer = predict(client, encoded(drawing()))
        assert (answer.status_code, answer.json()["type"]) == (503, "urn:digitvote:no-quorum")
        assert answer.headers["retry-after"] == "1"


def test_explain_shows_what_the_models_saw(client: httpx.Client) -> None:
    """With explain=true the answer holds the 28x28 as a PNG, the box, the polarity, the turn and the steps."""
    content = encoded(drawing(size=300, width=20))
    plain = predict(client, content).json()
    assert "seen" not in plain
    answer = client.post("/predict?explain=true", files={"file": content}).json()
    assert {key: answer[key] for key in ("label", "warnings")} == {key: plain[key] for key in ("label", "warnings")}
    seen = answer["seen"]
    kind, data = seen["picture"].split(",")
    assert kind == "data:image/png;base64"
    with Image.open(BytesIO(b64decode(data))) as picture:
        assert (picture.size, picture.mode) == ((28, 28), "L")
        expected = read(content, 10**6).picture[0]
        np.testing.assert_allclose(np.asarray(picture) / 255, expected, atol=1 / 255)
    assert seen["polarity"] == "dark on light"
    assert seen["turn"] == 0
    assert seen["steps"] == ["flattened", "fitted", "centred"]
    assert seen["box"]["left"] > 0
    assert seen["box"]["left"] + seen["box"]["width"] <= 300


def test_explain_is_yes_or_no(client: httpx.Client) -> None:
    """Another value is refused with words, not ignored."""
    answer = client.post("/predict?explain=perhaps", files={"file": encoded(drawing())})
    assert (answer.status_code, answer.headers["content-type"]) == (400, MEDIA_TYPE)
    assert "explain='perhaps'" in answer.json()["detail"]


def test_a_model_that_raises_during_a_batch_is_a_missing_vote(tmp_path: Path) -> None:
    """The others' votes stand, the answer says which failed, and the next batch has it again."""
    publish_three(tmp_path)
    publish_model(tmp_path, "cnn", Fragile(1))
    heavy, light = encoded(drawing(width=12)), encoded(drawing(width=3))
    with hosting(app_of(tmp_path)) as client:
        assert wait_until_loaded(client)["state"] == "ready"
        answer = predict(client, heavy).json()
        assert [vote["model"] for vote in answer["votes"]] == ["mlp", "lenet5"]
        assert answer["missing"][0]["model"] == "cnn"
        assert answer["missing"][0]["version"] == 2
        assert answer["missing"][0]["reason"].startswith("failed on this batch: ")
        assert len(predict(client, light).json()["votes"]) == 3


def test_a_poisoned_picture_costs_its_neighbours_no_vote(tmp_path: Path) -> None:
    """Of pictures that share a batch only the one on which a model raises lacks that model's vote."""
    publish_three(tmp_path)
    publish_model(tmp_path, "cnn", Fragile(1))
    contents = [encoded(drawing(width=12 if place == 7 else 3)) for place in range(24)]
    with hosting(app_of(tmp_path)) as client:
        assert wait_until_loaded(client)["state"] == "ready"
        with ThreadPoolExecutor(24) as pool:
            answers = [answer.json() for answer in pool.map(lambda content: predict(client, content), contents)]
        assert max(answer["receipt"]["batch_size"] for answer in answers) > 1
        assert [len(answer["votes"]) for answer in answers] == [2 if place == 7 else 3 for place in range(24)]


def test_a_model_that_gives_no_numbers_is_a_missing_vote(tmp_path: Path) -> None:
    """NaN is no vote: the others' stand."""
    publish_three(tmp_path)
    publish_model(tmp_path, "cnn", Nowhere(1))
    with hosting(app_of(tmp_path)) as client:
        assert wait_until_loaded(client)["state"] == "ready"
        answer = predict(client, encoded(drawing(width=12))).json()
        assert [vote["model"] for vote in answer["votes"]] == ["mlp", "lenet5"]
        assert answer["missing"][0]["reason"] == "failed on this batch: gave no finite logits"


def test_a_body_that_does_not_come_is_cut_off(artifacts: Path) -> None:
    """An upload that stalls gets 408 after the seconds that are set, and frees its place for others."""
    with hosting(app_of(artifacts, queue=1, body_seconds=0.3)) as client:
        wait_until_loaded(client)
        with socket.create_connection((client.base_url.host, client.base_url.port or 0)) as stalled:
            stalled.sendall(b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500\r\n")
            stalled.sendall(b"Content-Type: multipart/form-data; boundary=x\r\n\r\n--x")
            assert stalled.recv(65536).startswith(b"HTTP/1.1 408")
        assert predict(client, encoded(drawing())).status_code == 200


def test_too_many_at_once_are_refused_and_the_rest_answered(artifacts: Path) -> None:
    """Past the bound requests get 503 with Retry-After; those within it are answered, and so is the next."""
    picture = encoded(drawing())
    with hosting(app_of(artifacts, queue=2)) as client:
        wait_until_loaded(client)
        with ThreadPoolExecutor(32) as pool:
            answers = list(pool.map(lambda _: predict(client, picture), range(64)))
        statuses = {answer.status_code for answer in answers}
        assert statuses == {200, 503}
        refused = next(answer for answer in answers if answer.status_code == 503)
        assert refused.json()["type"] == "urn:digitvote:busy"
        assert refused.headers["retry-after"] == "1"
        assert predict(client, picture).status_code == 200


def test_uploads_together_have_so_much_memory(artifacts: Path) -> None:
    """Who sends what is too much beside the others gets 503, they are answered, and then there is room again."""
    large, form = b"--x\r\n" + b"x" * 700_000, {"Content-Type": "multipart/form-data; boundary=x"}
    app = app_of(artifacts, max_bytes=2**20, batch_bytes=2**20, held_bytes=2**20)
    with hosting(app) as client:
        wait_until_loaded(client)
        with socket.create_connection((client.base_url.host, client.base_url.port or 0)) as first:
            first.sendall(b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n" % len(large))
            first.sendall(b"Content-Type: multipart/form-data; boundary=x\r\n\r\n" + large[:-1])
            # Not by asking again and again: what is asked may take the memory that the first one's body is to have.
            until(lambda: limits_of(app).room == 2**20 - len(large[:-1]), "the first one's body has not come")
            second = client.post("/predict", content=large, headers=form)
            assert (second.status_code, second.json()["type"]) == (503, "urn:digitvote:busy")
            assert second.headers["retry-after"] == "1"
            first.sendall(large[-1:])
            assert first.recv(65536).startswith(b"HTTP/1.1 400")
        assert client.post("/predict", content=large, headers=form).status_code == 400


def test_while_the_models_load_the_state_is_starting(artifacts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the models are loaded /health and /predict are 503, by the name of the state."""
    loading, real = threading.Event(), load_version

    def slow(*arguments: Any) -> Any:
        loading.wait(30)
        return real(*arguments)

    monkeypatch.setattr("service.rollout.load_version", slow)
    with hosting(app_of(artifacts)) as client:
        assert client.get("/health").status_code == 503
        assert client.get("/health").json()["state"] == "starting"
        answer = predict(client, encoded(drawing()))
        assert (answer.status_code, answer.json()["type"]) == (503, "urn:digitvote:not-ready")
        loading.set()
        assert wait_until_loaded(client)["state"] == "ready"


def test_the_first_request_needs_no_filters_of_warnings_of_its_own(
    artifacts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are the whole process's: the thread that loads the models may put others in their place at any moment."""
    app = create_app(Settings(artifacts=artifacts))
    monkeypatch.setattr(warnings, "simplefilter", lambda *_, **__: None)
    with hosting(app) as client:
        for path in ("/health", "/models", "/metrics", "/", "/report"):
            assert client.get(path).status_code in (200, 503), path


def test_an_error_nobody_foresaw_is_a_problem_too(
    artifacts: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A bug answers 500 with the request's id and none of its insides; the log has both."""
    caplog.set_level(logging.INFO, "service")

    def broken(*_arguments: object) -> None:
        raise KeyError("secret inside")

    monkeypatch.setattr("service.ensemble.read", broken)
    with hosting(app_of(artifacts)) as client:
        wait_until_loaded(client)
        answer = predict(client, encoded(drawing()))
        assert (answer.status_code, answer.headers["content-type"]) == (500, MEDIA_TYPE)
        assert "secret" not in answer.text
        assert answer.json()["request_id"] == answer.headers["x-request-id"]
    by_event = {record.msg["event"]: record.msg for record in caplog.records if isinstance(record.msg, dict)}
    assert by_event["unexpected error"]["request_id"] == answer.headers["x-request-id"]
    assert by_event["request"]["status"] == 500
