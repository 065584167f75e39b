import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from service.app import create_app
from service.load import Load
from service.settings import Settings
from tests.support import drawing, encoded, hosting, wait_until_loaded


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """Now."""
        return self.now


def test_the_wait_is_what_is_at_hand_at_the_rate_of_late() -> None:
    """With 50 answers in the last half second, 20 requests at hand let one more wait a fifth of a second."""
    clock = Clock()
    load = Load(clock)
    assert load.wait() == 0
    for _ in range(70):
        load.begin()
    for _ in range(50):
        load.end()
    assert load.at_hand == 20
    assert load.wait() == pytest.approx(0.2)


def test_what_was_answered_long_ago_is_forgotten() -> None:
    """After a pause nothing is known of the rate, and nobody is expected to wait."""
    clock = Clock()
    load = Load(clock)
    load.begin()
    load.begin()
    load.end()
    assert load.wait() > 0
    clock.now += 1
    assert load.wait() == 0


@pytest.fixture
def client(artifacts: Path) -> Iterator[httpx.Client]:
    """A client of a service in which nobody may wait at all once two pictures are at hand."""
    with hosting(create_app(Settings(artifacts=artifacts, max_batch=2, wait_ms=0))) as client:
        wait_until_loaded(client)
        yield client


def test_beyond_the_wait_requests_are_refused_at_once(client: httpx.Client) -> None:
    """Some of 200 at once get 503 with Retry-After and the rest their answer; afterwards all is as before."""
    started = threading.Barrier(20)

    def post(number: int) -> httpx.Response:
        if number < 20:
            started.wait(30)
        return client.post("/predict", files={"file": encoded(drawing(number % 5))})

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(post, range(200)))
    assert {answer.status_code for answer in answers} == {200, 503}
    refused = [answer for answer in answers if answer.status_code == 503]
    assert all(answer.headers["retry-after"] == "1" for answer in refused)
    assert "wait" in refused[0].json()["detail"]
    assert post(20).status_code == 200
