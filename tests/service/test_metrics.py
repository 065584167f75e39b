import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families as parse

from registry.errors import ArtifactError
from registry.manifest import GATE
from registry.open import Artifact
from service import metrics
from service.app import create_app
from service.engine.engine import Predict
from service.models import Step
from service.rollout import Rollout
from service.settings import Settings
from service.vote import Reason
from tests.support import Linear, drawing, encoded, hosting, publish_model, publish_three, wait_until_loaded

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def samples(text: str) -> Samples:
    """Each number in Prometheus' text format, by its name and labels."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in parse(text)
        for sample in family.samples
    }


class Counted:
    """What a client's service has counted since this was made."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client
        self._before = self._read()

    def _read(self) -> Samples:
        answer = self._client.get("/metrics")
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/plain; version=")
        return samples(answer.text)

    def since(self, name: str, **labels: object) -> float:
        """What was added to one number."""
        key = (f"digitvote_{name}", frozenset((label, str(value)) for label, value in labels.items()))
        return self._read().get(key, 0) - self._before.get(key, 0)


@pytest.fixture
def counted(client: httpx.Client) -> Counted:
    """What the shared client's service counts from here on."""
    return Counted(client)


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A service of its own, with one model missing."""
    root = publish_three(tmp_path_factory.mktemp("artifacts"))
    (root / "cnn" / "1" / "model.pt").write_bytes(b"")
    with hosting(create_app(Settings(artifacts=root))) as client:
        assert wait_until_loaded(client)["state"] == "degraded"
        yield client


def predict(client: httpx.Client, content: bytes) -> httpx.Response:
    return client.post("/predict", files={"file": content})


def test_a_prediction_is_counted_at_each_step(client: httpx.Client, counted: Counted) -> None:
    """One picture adds one request, decoding, wait, batch, run of each model, vote of each and answer."""
    answer = predict(client, encoded(drawing())).json()
    assert counted.since("requests_total", route="/predict", method="POST", status=200) == 1
    assert counted.since("request_seconds_count", route="/predict") == 1
    assert counted.since("decode_seconds_count") == 1
    assert counted.since("queue_seconds_count") == 1
    assert counted.since("batch_size_count") == counted.since("batch_size_sum") == 1
    for model in ("mlp", "cnn", "lenet5", GATE):
        assert counted.since("inference_seconds_count", model=model, version=1) == 1
    for vote in answer["votes"]:
        assert counted.since("votes_total", model=vote["model"], version=1, label=vote["label"]) == 1
    assert counted.since("labels_total", label=answer["label"]) == 1
    assert counted.since("disagreements_total") == (answer["agreement"] < 1)
    if answer["reason"]:
        assert counted.since("rejections_total", reason=answer["reason"]) == 1


def test_every_answer_that_is_not_accepted_is_counted_by_its_reason(client: httpx.Client, counted: Counted) -> None:
    """Of many scribbles, the rejections by reason, the labels and the disagreements are those of the answers."""
    answers = [predict(client, encoded(drawing(seed))).json() for seed in range(20)]
    reasons = [answer["reason"] for answer in answers]
    assert any(reasons), "the pictures must not all be accepted"
    for reason in filter(None, set(reasons)):
        assert counted.since("rejections_total", reason=reason) == reasons.count(reason)
    assert sum(counted.since("labels_total", label=label) for label in range(10)) == 20
    assert counted.since("disagreements_total") == sum(answer["agreement"] < 1 for answer in answers) > 0


def test_the_digits_of_a_number_are_counted_as_answers_and_its_pieces_as_votes(
    client: httpx.Client, counted: Counted
) -> None:
    """/read adds a label for each digit of its answer and a vote of each model for each piece."""
    answer = client.post("/read", files={"file": encoded(drawing())}).json()
    assert sum(counted.since("labels_total", label=label) for label in range(10)) == len(answer["digits"])
    votes = sum(counted.since("votes_total", model="mlp", version=1, label=label) for label in range(10))
    assert votes == answer["receipt"]["pieces"] > 0
    assert counted.since("decode_seconds_count") == 1


def test_an_answer_of_the_plain_form_is_counted_as_what_is_shown(client: httpx.Client, counted: Counted) -> None:
    """Though a picture may be read as one digit and as a number, the digits on its page are counted and no others."""
    pages = [client.post("/", files={"file": encoded(drawing(seed))}).text for seed in range(8)]
    shown = sum(len(re.findall(r'<ul class="votes( faint)?">', page)) for page in pages)
    assert sum(counted.since("labels_total", label=label) for label in range(10)) == shown >= len(pages)
    assert 0 < sum(counted.since("rejections_total", reason=reason) for reason in get_args(Reason)) <= shown


def test_an_error_is_counted_by_its_name(client: httpx.Client, counted: Counted) -> None:
    """A refused request adds to the refusals, whoever refuses it: the route, the limits or the router."""
    predict(client, b"no picture")
    client.post("/predict", content=b"x" * 2**21)
    client.get("/predict")
    assert counted.since("refusals_total", error="not-a-picture") == 1
    assert counted.since("refusals_total", error="body-too-large") == 1
    assert counted.since("refusals_total", error="method-not-allowed") == 1
    for status in (415, 413):
        assert counted.since("requests_total", route="/predict", method="POST", status=status) == 1
    assert counted.since("requests_total", route="/predict", method="GET", status=405) == 1


def test_no_path_and_no_method_of_a_stranger_becomes_a_label(client: httpx.Client, counted: Counted) -> None:
    """What is no route is counted as `other`, and so is what is no method."""
    client.get("/wp-admin/setup.php")
    client.request("PROPFIND", "/predict")
    assert counted.since("requests_total", route="other", method="GET", status=404) == 1
    assert counted.since("requests_total", route="/predict", method="other", status=405) == 1
    text = client.get("/metrics").text
    assert "wp-admin" not in text
    assert "PROPFIND" not in text


def test_what_is_loaded_and_the_state_are_told(busy: httpx.Client) -> None:
    """Each version has its sha256 in model_info, a model that failed has a failed load, and one state is 1."""
    health = busy.get("/health").json()
    told = samples(busy.get("/metrics").text)
    for model in health["models"]:
        info = {"model": model["model"], "version": str(model["version"]), "sha256": str(model["sha256"])}
        assert (told.get(("digitvote_model_info", frozenset(info.items()))) == 1) == model["loaded"]
    assert (
        told["digitvote_model_loads_total", frozenset({("model", "cnn"), ("outcome", "failed"), ("step", "verify")})]
        >= 1
    )
    states = {dict(labels)["state"]: value for (name, labels), value in told.items() if name == "digitvote_state"}
    assert {name for name, value in states.items() if value} == {"degraded"}
    assert len(states) == 5


def test_nothing_is_in_flight_once_all_is_answered(client: httpx.Client) -> None:
    """After requests that were answered and refused, no upload is in flight and nothing is queued."""
    predict(client, encoded(drawing()))
    predict(client, b"no picture")
    told = samples(client.get("/metrics").text)
    assert told["digitvote_in_flight", frozenset()] == 0
    assert told["digitvote_queue_depth", frozenset()] == 0


@pytest.mark.anyio
async def test_a_failed_load_is_a_rise_from_0(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a model is being loaded all its counts are there, and 0; a failure then adds to that of its step alone."""
    publish_model(tmp_path, "watched", Linear(0))

    def counts() -> dict[str, float]:
        told = samples(metrics.text().decode())
        return {
            dict(labels)["step"]: value
            for (name, labels), value in told.items()
            if name == "digitvote_model_loads_total" and dict(labels)["model"] == "watched"
        }

    class Broken:
        device = "cpu"

        def predictor(self, artifact: Artifact) -> Predict:
            assert counts() == dict.fromkeys(("", *get_args(Step)), 0)
            raise ArtifactError(f"{artifact.manifest.name} cannot be run")

    rollout = Rollout(Settings(artifacts=tmp_path, models=("watched",), quorum=1, reject="off"))
    monkeypatch.setattr("service.rollout.open_engine", lambda _settings: Broken())
    await rollout.start()
    await rollout.stop()
    assert rollout.served.models[0].reason == "version 1: watched cannot be run"
    assert counts() == {**dict.fromkeys(("", *get_args(Step)), 0), "load": 1}
