import pytest
from fastapi import FastAPI, Response
from starlette.requests import Request

from benchmarks.client import Client, written
from benchmarks.load import summary
from benchmarks.uploads import PICTURES, digit, inference_protocol, multipart
from tests.support import hosting

pytestmark = pytest.mark.anyio


def _application() -> FastAPI:
    app = FastAPI()
    count = 0

    @app.post("/predict")
    async def predict(request: Request) -> Response:
        nonlocal count
        await request.body()
        count += 1
        if count % 4 == 0:
            return Response("busy", 503, {"Retry-After": "1"})
        return Response('{"label":7,"receipt":{"batch_size":3}}', media_type="application/json")

    return app


async def test_closed_loop_counts_right_answers_and_errors() -> None:
    """Each answer is one of the log: right if it is a 200 with the text, with the batch that it tells."""
    with hosting(_application()) as service:
        client = Client(service.base_url.port or 0, written("/predict", b"x", "text/plain"), b'"label":7')
        await client.closed(2, 0.3)
    outcome = summary(client.answers, 0.3)
    assert len(client.answers) == outcome.right + outcome.errors > 8
    assert abs(outcome.errors - len(client.answers) / 4) < 1
    assert set(outcome.batches) == {3}
    assert 0 < outcome.p50 <= outcome.p99


async def test_open_loop_sends_when_requests_are_due() -> None:
    """As many requests as the phases say are sent, each due at its time, and refusals tell of their Retry-After."""
    with hosting(_application()) as service:
        client = Client(service.base_url.port or 0, written("/predict", b"x", "text/plain"), b'"label":7')
        await client.open([(100, 0.2), (200, 0.2)])
    answers = sorted(client.answers)
    assert len(answers) == 20 + 40
    assert [answer.due for answer in answers[19:22]] == [0.19, 0.2, 0.205]
    assert {answer.status for answer in answers} == {200, 503}
    assert all(answer.retry == (answer.status == 503) for answer in answers)


async def test_a_server_that_is_gone_is_an_answer_that_did_not_come() -> None:
    """A refused connection is status 0, not the end."""
    with hosting(_application()) as service:
        port = service.base_url.port or 0
    client = Client(port, written("/predict", b"x", "text/plain"), b"")
    await client.open([(100, 0.05)])
    assert [answer.status for answer in client.answers] == [0] * 5


def test_uploads_are_what_servers_parse() -> None:
    """The floor reads the whole picture out of the form; the Open Inference Protocol's holds it in base64."""
    from benchmarks.floor import app

    with hosting(app) as floor:
        for picture in PICTURES.values():
            upload = multipart(picture())
            answer = floor.post("/predict", content=upload.body, headers={"Content-Type": upload.content_type})
            assert answer.json() == {"bytes": len(picture())}
    assert b'"datatype": "BYTES"' in inference_protocol(digit()).body
