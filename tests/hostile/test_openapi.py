"""What the OpenAPI document says is so, of every operation, by schemathesis with all its checks."""

import os
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from service.app import create_app
from service.settings import Settings
from tests.damage import files
from tests.hostile.archives import PICTURE, packed
from tests.support import RELEASE, hosting, wait_until_loaded

EXAMPLES = int(os.environ.get("EXAMPLES", "10"))  # of each operation, beside those that cover its schema

ITS_ERRORS_IN_200 = ("/predict/batch",)  # each wrong picture has an error in its place among the answers

schemathesis.openapi.format("binary", st.sampled_from(list(files().values())))
schemathesis.openapi.media_type("application/zip", st.just(packed({"1.png": PICTURE, "2.png": b"not a picture"})))

SCHEMA = schemathesis.openapi.from_dict(create_app(Settings()).openapi())


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """The service with its real models, which takes feedback."""
    feedback = tmp_path_factory.mktemp("store") / "feedback.db"
    with hosting(create_app(Settings(artifacts=RELEASE, feedback=feedback))) as client:
        wait_until_loaded(client)
        yield client


@SCHEMA.parametrize()
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_operation_answers_as_documented(case: schemathesis.Case[Any], client: httpx.Client) -> None:
    """No 5xx and no undocumented status, type, header or body; wrong data is refused and right data taken."""
    excluded: list[Any] = [negative_data_rejection] if case.path in ITS_ERRORS_IN_200 else []
    if case.path.startswith("/v2/") and case.method == "POST":  # no schema says that data must fit its tensor's shape
        excluded.append(positive_data_acceptance)
    case.call_and_validate(base_url=str(client.base_url), excluded_checks=excluded)
