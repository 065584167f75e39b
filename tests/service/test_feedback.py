import io
import shutil
import time
import zipfile
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from registry.feedback import Store, Told
from service import metrics
from service.app import create_app
from service.feedback import Feedback
from service.keys import read_keys
from service.settings import Settings
from service.vote import Cast, Outcome
from tests.service.test_settings import run
from tests.support import ROOT, drawing, encoded, hosting, serving, wait_until_loaded

SEVEN = (ROOT / "docs" / "examples" / "seven.png").read_bytes()
NUMBER = (ROOT / "docs" / "examples" / "number.png").read_bytes()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the store is, in a folder of its own."""
    (tmp_path / "store").mkdir()
    return tmp_path / "store" / "feedback.db"


@pytest.fixture
def fed(artifacts: Path, path: Path) -> Iterator[httpx.Client]:
    """A client of a service that takes feedback."""
    with hosting(create_app(Settings(artifacts=artifacts, feedback=path, feedback_rows=5))) as client:
        assert wait_until_loaded(client)["state"] == "ready"
        yield client


def predict(client: httpx.Client, picture: bytes = SEVEN, route: str = "/predict", **given: Any) -> dict[str, Any]:
    """What a route answers to a picture."""
    answered = client.post(route, files={"file": picture}, **given)
    assert answered.status_code == 200, answered.text
    found: dict[str, Any] = answered.json()
    return found


def told(path: Path) -> list[Told]:
    """What a store holds."""
    with Store(path, read_only=True) as store:
        return list(store.told())


def test_off_it_says_how_it_is_switched_on(client: httpx.Client) -> None:
    """By default nothing is remembered, the route is a 404 that names the setting, and /models has no live figures."""
    answered = client.post("/feedback", json={"request_id": "a", "label": 7})
    assert (answered.status_code, answered.json()["type"]) == (404, "urn:digitvote:feedback-off")
    assert "DIGITVOTE_FEEDBACK" in answered.json()["detail"]
    assert client.get("/models").json()["live"] is None
    assert "digitvote_live" not in client.get("/metrics").text


def test_what_the_models_saw_is_kept_and_never_the_upload(fed: httpx.Client, path: Path) -> None:
    """The row has the very 28x28, the votes, both labels, the id and the times; the file's bytes are nowhere."""
    before = time.time()
    answer = predict(fed, route="/predict?explain=true")
    request_id = answer["receipt"]["request_id"]
    answered = fed.post("/feedback", json={"request_id": request_id, "label": 7})
    assert answered.status_code == 200
    right = answer["label"] == 7
    expected = {"request_id": request_id, "index": 0, "label": 7, "answered": answer["label"], "right": right}
    assert answered.json() == expected
    (row,) = told(path)
    shown = np.asarray(Image.open(io.BytesIO(b64decode(answer["seen"]["picture"].split(",")[1]))))
    assert row.answer.picture == shown.tobytes()
    assert (row.answer.label, row.truth, row.answer.confidence) == (answer["label"], 7, answer["confidence"])
    votes = [(vote["model"], vote["version"], vote["label"], vote["confidence"]) for vote in answer["votes"]]
    assert [tuple(vote) for vote in row.answer.votes] == votes
    assert before <= row.answer.time <= row.time <= time.time()
    assert not any(SEVEN[40:80] in file.read_bytes() for file in path.parent.iterdir())


def test_the_last_label_counts(fed: httpx.Client, path: Path) -> None:
    """The same feedback again changes nothing, another label replaces the first."""
    request_id = predict(fed)["receipt"]["request_id"]
    for label in (7, 7, 3):
        assert fed.post("/feedback", json={"request_id": request_id, "label": label}).status_code == 200
    assert [row.truth for row in told(path)] == [3]


def test_the_pictures_of_a_batch_and_the_digits_of_a_number_have_an_index(fed: httpx.Client, path: Path) -> None:
    """`index` says which of `answers`, or of `digits`, is meant; one that is none of them is unknown."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        for seed in range(2):
            packed.writestr(f"{seed}.png", encoded(drawing(seed)))
    many = fed.post("/predict/batch", content=archive.getvalue(), headers={"Content-Type": "application/zip"}).json()
    one = many["answers"][1]["prediction"]
    of_batch = {"request_id": one["receipt"]["request_id"], "label": 4, "index": 1}
    assert fed.post("/feedback", json=of_batch).json()["answered"] == one["label"]
    number = predict(fed, NUMBER, "/read?explain=true")
    last = len(number["digits"]) - 1
    of_number = {"request_id": number["receipt"]["request_id"], "label": 3, "index": last}
    assert fed.post("/feedback", json=of_number).json()["answered"] == number["digits"][last]["label"]
    assert fed.post("/feedback", json={**of_number, "index": last + 1}).status_code == 404
    del of_number["index"]
    unclear = fed.post("/feedback", json=of_number)
    assert (unclear.status_code, unclear.json()["type"]) == (422, "urn:digitvote:wrong-feedback")
    assert f"is to {last + 1} pictures" in unclear.json()["detail"]
    shown = np.asarray(Image.open(io.BytesIO(b64decode(number["digits"][last]["picture"].split(",")[1]))))
    assert [(row.answer.item, row.truth) for row in told(path)] == [(1, 4), (last, 3)]
    assert told(path)[1].answer.picture == shown.tobytes()


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b'{"request_id": "a", "label": 10}', 422, "label: Input should be less than or equal to 9"),
        (b'{"request_id": "a", "label": -1}', 422, "label: Input should be greater than or equal to 0"),
        (b'{"request_id": "a", "label": "7"}', 422, "label: Input should be a valid integer"),
        (b'{"request_id": "a", "label": true}', 422, "label: Input should be a valid integer"),
        (b'{"request_id": "a", "label": 7.5}', 422, "label: Input should be a valid integer"),
        (b'{"request_id": "a"}', 422, "label: Field required"),
        (b'{"label": 7}', 422, "request_id: Field required"),
        (b'{"request_id": "", "label": 7}', 422, "request_id: String should have at least 1 character"),
        (b'{"request_id": "a", "label": 7, "index": -1}', 422, "index: Input should be greater"),
        (b'{"request_id": "a", "label": 7, "lable": 7}', 422, "lable: Extra inputs are not permitted"),
        (b"[7]", 422, "the body: Input should be an object"),
        (b'{"request_id": "a", "label', 400, "The body is no JSON"),
        (b"", 400, "The body is no JSON"),
        (b'{"request_id": "\xff", "label": 7}', 400, "The body is no JSON"),
        (b" " * 70_000, 413, "At most"),
    ],
)
def test_what_cannot_be_kept_is_told_what_is_wrong(fed: httpx.Client, body: bytes, status: int, words: str) -> None:
    """Each way to be no feedback has a status and words of its own, and what to send instead."""
    answered = fed.post("/feedback", content=body, headers={"Content-Type": "application/json"})
    assert answered.status_code == status
    assert words in answered.json()["detail"]
    assert status == 413 or '"label": 7} as application/json' in answered.json()["detail"]


def test_a_form_and_a_packed_body_are_refused(fed: httpx.Client) -> None:
    """What a page of another site may send without asking is not taken; nor is what would have to be unpacked."""
    body = b'{"request_id": "a", "label": 7}'
    plain = fed.post("/feedback", content=body, headers={"Content-Type": "text/plain"})
    assert (plain.status_code, plain.json()["type"]) == (400, "urn:digitvote:bad-request")
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    assert fed.post("/feedback", content=body, headers=headers).status_code == 415


def test_what_is_unknown_or_too_old_is_a_404(artifacts: Path, path: Path) -> None:
    """An id that nobody has, and one of an answer that is older than DIGITVOTE_FEEDBACK_MINUTES, say so."""
    settings = Settings(artifacts=artifacts, feedback=path, feedback_minutes=0.001)
    with hosting(create_app(settings)) as client:
        wait_until_loaded(client)
        old = predict(client)["receipt"]["request_id"]
        time.sleep(0.1)
        for request_id in ("none", old):
            answered = client.post("/feedback", json={"request_id": request_id, "label": 7})
            assert (answered.status_code, answered.json()["type"]) == (404, "urn:digitvote:unknown-answer")


def test_a_full_store_refuses_feedback_and_answers_predictions(fed: httpx.Client, path: Path) -> None:
    """Beyond DIGITVOTE_FEEDBACK_ROWS comes 507; what is kept can still be corrected, and digits are read as before."""
    ids = [predict(fed)["receipt"]["request_id"] for _ in range(6)]
    statuses = [fed.post("/feedback", json={"request_id": each, "label": 7}).status_code for each in ids]
    assert statuses == [200] * 5 + [507]
    assert fed.post("/feedback", json={"request_id": ids[0], "label": 1}).status_code == 200
    detail = fed.post("/feedback", json={"request_id": ids[5], "label": 7}).json()["detail"]
    assert detail.startswith("5 are kept, and no more may be. Whoever runs this service makes room.")
    assert predict(fed)["label"] in range(10)
    assert len(told(path)) == 5


def test_a_store_that_cannot_be_written_costs_no_prediction(fed: httpx.Client, path: Path) -> None:
    """Its folder gone, feedback gets 503 and predictions their answers, which are counted as lost; then it goes on."""
    request_id = predict(fed)["receipt"]["request_id"]
    assert fed.post("/feedback", json={"request_id": request_id, "label": 7}).status_code == 200
    shutil.rmtree(path.parent)
    lost = metrics.FEEDBACK_LOST._value.get()
    forgotten = predict(fed)["receipt"]["request_id"]
    answered = fed.post("/feedback", json={"request_id": forgotten, "label": 7})
    assert (answered.status_code, answered.json()["type"]) == (503, "urn:digitvote:feedback-unavailable")
    assert "Retry-After" in answered.headers
    assert metrics.FEEDBACK_LOST._value.get() == lost + 1
    path.parent.mkdir()
    request_id = predict(fed)["receipt"]["request_id"]
    assert fed.post("/feedback", json={"request_id": request_id, "label": 7}).status_code == 200
    assert len(told(path)) == 1


def test_keys_and_rates_hold_for_it(artifacts: Path, path: Path) -> None:
    """Feedback needs a key as an upload does, and takes from the same bucket."""
    key = "lab-key-0123456789"
    settings = Settings(artifacts=artifacts, feedback=path, api_keys=read_keys(f"lab:{key}"), rate=0.001, burst=2)
    with hosting(create_app(settings)) as client:
        wait_until_loaded(client)
        body = {"request_id": "a", "label": 7}
        assert client.post("/feedback", json=body).status_code == 401
        assert client.post("/feedback", json=body, headers={"X-API-Key": "wrong"}).status_code == 403
        request_id = predict(client, headers={"X-API-Key": key})["receipt"]["request_id"]
        body = {"request_id": request_id, "label": 7}
        assert client.post("/feedback", json=body, headers={"X-API-Key": key}).status_code == 200
        assert client.post("/feedback", json=body, headers={"X-API-Key": key}).status_code == 429


def test_what_was_answered_before_a_restart_can_be_fed_back_after_it(artifacts: Path, path: Path) -> None:
    """Answers are in the file once the service has ended, so the next one takes their labels."""
    settings = Settings(artifacts=artifacts, feedback=path)
    with hosting(create_app(settings)) as client:
        wait_until_loaded(client)
        request_id = predict(client)["receipt"]["request_id"]
    with hosting(create_app(settings)) as client:
        assert client.post("/feedback", json={"request_id": request_id, "label": 7}).status_code == 200


def test_models_and_metrics_tell_how_it_goes(fed: httpx.Client) -> None:
    """Accuracy with its interval by version and of the vote, and drift, stand in /models and /metrics alike."""
    for label in (7, 1, 7):
        answer = predict(fed)
        fed.post("/feedback", json={"request_id": answer["receipt"]["request_id"], "label": label})
    live = fed.get("/models").json()["live"]
    assert (live["kept"], live["pending"]) == (3, 0)
    assert [(one["model"], one["version"]) for one in live["accuracy"]] == [
        ("vote", "mlp 1, cnn 1, lenet5 1"), ("cnn", "1"), ("lenet5", "1"), ("mlp", "1")
    ]  # fmt: skip
    vote = live["accuracy"][0]
    assert vote["answers"] == 3
    assert vote["right"] == {7: 2, 1: 1}.get(answer["label"], 0)
    assert vote["low"] <= vote["accuracy"] == vote["right"] / 3 <= vote["high"]
    assert live["labels"][answer["label"]] == 3
    assert live["label_drift"] > 0
    told = fed.get("/metrics").text
    assert 'digitvote_feedback_rows{state="kept"} 3.0' in told
    assert 'digitvote_live_answers{model="cnn",version="1"} 3.0' in told
    assert (
        f'digitvote_live_accuracy{{bound="high",model="vote",version="mlp 1, cnn 1, lenet5 1"}} {vote["high"]}' in told
    )
    assert f"digitvote_label_drift {live['label_drift']}" in told


def test_beyond_what_may_wait_answers_are_lost_and_counted(tmp_path: Path) -> None:
    """Where the thread cannot keep up memory stays bounded: what is too much is left out."""
    memory = Feedback(Settings(), tmp_path / "feedback.db")  # whose thread is not started
    lost = metrics.FEEDBACK_LOST._value.get()
    outcome = Outcome(7, 0.9, 1.0, (Cast("cnn", 1, 7, 0.9, [0.0] * 10),), ())
    for number in range(4200):
        memory.remember(str(number), 0, np.zeros((1, 28, 28), np.float32), outcome)
    assert metrics.FEEDBACK_LOST._value.get() - lost == 4200 - 4096


def test_a_store_that_cannot_be_opened_ends_the_start(tmp_path: Path) -> None:
    """A path that leads nowhere, or to another file, is told at the start, with status 2."""
    (tmp_path / "text").write_text("no database" * 100)
    for name, words in {"absent/f.db": "No such file or directory", "text": "not a store of feedback"}.items():
        done = run(DIGITVOTE_FEEDBACK=str(tmp_path / name), DIGITVOTE_PORT="0")
        assert done.returncode == 2
        assert done.stderr.startswith(f"DIGITVOTE_FEEDBACK: {tmp_path / name}: {words}"), done.stderr


def test_any_of_several_workers_takes_it(artifacts: Path, path: Path) -> None:
    """With two workers every answer can be fed back at once over a new connection, whichever it meets."""
    with serving(artifacts, workers=2, feedback=path) as running:
        for number in range(12):
            with httpx.Client(base_url=running.url, timeout=60) as client:
                request_id = predict(client)["receipt"]["request_id"]
            with httpx.Client(base_url=running.url, timeout=60) as client:
                given = {"request_id": request_id, "label": number % 10}
                until = time.monotonic() + 60  # a busy machine may take longer to write than the service waits
                while (answered := client.post("/feedback", json=given)).status_code == 404:
                    assert time.monotonic() < until, answered.text
                assert answered.status_code == 200, answered.text
        with httpx.Client(base_url=running.url, timeout=60) as client:
            assert 'digitvote_feedback_rows{state="kept"} 12.0' in client.get("/metrics").text
        assert running.stop() == 0
    assert [row.truth for row in told(path)] == [number % 10 for number in range(12)]
