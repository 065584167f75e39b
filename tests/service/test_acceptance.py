from pathlib import Path

import httpx
import numpy as np
import pytest

from service.acceptance import CONFIDENCE, Reject, accept
from service.app import create_app
from service.settings import Settings
from service.vote import Outcome
from tests.drafts import draft
from tests.support import Fragile, Ink, drawing, encoded, hosting, publish_model, publish_three, wait_until_loaded

GATE = draft("gate", thresholds={"balanced": 0.0, "strict": 2.0})


def outcome(confidence: float = 0.99, agreement: float = 1.0) -> Outcome:
    return Outcome(7, confidence, agreement, (), ())


@pytest.mark.parametrize(
    ("reject", "score", "given", "reason"),
    [
        ("balanced", 1.0, outcome(), None),
        ("balanced", -1.0, outcome(), "does not look like one digit"),
        ("strict", 1.0, outcome(), "does not look like one digit"),
        ("balanced", 1.0, outcome(0.3, 0.67), "the models disagree"),
        ("balanced", 1.0, outcome(0.3), "unsure"),
        ("strict", 3.0, outcome((CONFIDENCE["balanced"] + CONFIDENCE["strict"]) / 2), "unsure"),
        ("off", -9.0, outcome(0.1, 0.33), None),
    ],
)
def test_an_answer_that_is_not_accepted_has_one_reason(
    reject: Reject, score: float, given: Outcome, reason: str | None
) -> None:
    """The gate comes first, then the vote; each mode has its own thresholds, and off accepts all."""
    assert accept([given], np.asarray([score], np.float32), GATE, reject)[0].reason == reason


def test_without_a_gate_confidence_decides() -> None:
    """Where the gate gave no scores an answer is accepted if the vote is sure."""
    assert [one.reason for one in accept([outcome(), outcome(0.2)], None, None, "balanced")] == [None, "unsure"]


def post(client: httpx.Client, width: int) -> dict[str, object]:
    answer: dict[str, object] = client.post("/predict", files={"file": encoded(drawing(width=width))}).json()
    return answer


@pytest.fixture
def artifacts(tmp_path: Path) -> Path:
    """Three models, and a gate that takes for a digit what has much ink."""
    publish_three(tmp_path)
    publish_model(tmp_path, "gate", Ink(), thresholds={"balanced": 100.0, "strict": 1e6})
    return tmp_path


def test_what_the_gate_refuses_is_answered_but_not_accepted(artifacts: Path) -> None:
    """The votes are there all the same; the reason says why the answer should not be trusted."""
    with hosting(create_app(Settings(artifacts=artifacts, reject="strict"))) as client:
        assert wait_until_loaded(client)["state"] == "ready"
        answer = post(client, 8)
        assert (answer["accepted"], answer["reason"]) == (False, "does not look like one digit")
        assert len(answer["votes"]) == 3  # type: ignore[arg-type]


def test_off_accepts_all_and_loads_no_gate(artifacts: Path) -> None:
    """With DIGITVOTE_REJECT=off there is no gate in /health, and every answer is accepted."""
    with hosting(create_app(Settings(artifacts=artifacts, reject="off"))) as client:
        assert wait_until_loaded(client)["gate"] is None
        answer = post(client, 2)
        assert (answer["accepted"], answer["reason"]) == (True, None)


@pytest.mark.parametrize("trouble", ["missing", "altered"])
def test_a_gate_that_is_missing_or_broken_degrades(artifacts: Path, trouble: str) -> None:
    """Predictions go on by the vote's confidence, and /health says what is wrong with the gate."""
    for version in ("1", "2"):
        path = artifacts / "gate" / version / "model.pt"
        path.write_bytes(b"altered") if trouble == "altered" else path.unlink()
    with hosting(create_app(Settings(artifacts=artifacts))) as client:
        health = wait_until_loaded(client)
        assert client.get("/health").status_code == 200
        assert health["state"] == "degraded"
        assert health["reason"] == "no gate: answers are accepted by their confidence alone"
        assert "model.pt" in health["gate"]["reason"]
        answer = post(client, 8)
        assert answer["reason"] in (None, "unsure", "the models disagree")


def test_models_shows_the_gate(artifacts: Path) -> None:
    """GET /models holds the gate's manifest with its thresholds, apart from the models that vote."""
    with hosting(create_app(Settings(artifacts=artifacts))) as client:
        wait_until_loaded(client)
        shown = client.get("/models").json()
        assert [entry["model"] for entry in shown["models"]] == ["mlp", "cnn", "lenet5"]
        assert shown["gate"]["manifest"]["thresholds"] == {"balanced": 100.0, "strict": 1e6}


def test_a_gate_that_raises_during_a_batch_leaves_the_vote() -> None:
    """A gate that fails on a batch, or gives logits of another shape, is left out of that batch's answers."""
    from registry import torchscript
    from service.engine.backend import score
    from service.models import Model

    module = torchscript.load(torchscript.dump(Fragile(0)))
    model = Model("gate", GATE, torchscript.predictor(module))
    assert score(model, np.ones((1, 1, 28, 28), np.float32)) is None
    assert score(model, np.zeros((1, 1, 28, 28), np.float32)) is None
    assert score(Model("gate", reason="missing"), np.zeros((1, 1, 28, 28), np.float32)) is None
