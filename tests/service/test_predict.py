import shutil
from pathlib import Path

import httpx
import pytest

from service.app import create_app
from service.schemas import Prediction
from service.settings import Settings
from tests.support import drawing, encoded, hosting, wait_until_loaded


def answer(client: httpx.Client, query: str = "") -> httpx.Response:
    return client.post(f"/predict{query}", files={"file": encoded(drawing())})


def holds(found: httpx.Response) -> Prediction:
    """The answer as its schema reads it, having found that nothing is lost or added on the way."""
    read = Prediction.model_validate_json(found.content, strict=True)
    assert read.model_dump(mode="json", exclude_unset=True) == found.json()
    assert set(found.json()) == set(Prediction.model_fields) - ({"seen"} if read.seen is None else set())
    return read


@pytest.mark.parametrize("query", ["", "?explain=true"])
def test_what_is_written_past_pydantic_fits_the_schema(client: httpx.Client, query: str) -> None:
    """The answer's bytes hold each field of `Prediction`, of its type, and no other; `seen` only when asked for."""
    assert (holds(answer(client, query)).seen is None) == (not query)


def test_a_missing_vote_and_a_reason_fit_the_schema_too(artifacts: Path, tmp_path: Path) -> None:
    """With a model missing and strict acceptance, the answer names the model and why it is not accepted."""
    shutil.copytree(artifacts, tmp_path, dirs_exist_ok=True)
    shutil.rmtree(tmp_path / "cnn")
    with hosting(create_app(Settings(artifacts=tmp_path, reject="strict"))) as client:
        wait_until_loaded(client)
        found = holds(answer(client))
    assert [vote.model for vote in found.missing] == ["cnn"]
    assert not found.accepted
    assert found.reason is not None
