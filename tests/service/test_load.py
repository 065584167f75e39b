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


def burst(clock: Clock, begun: int, ended: int, seconds: float) -> Load:
    """What is at hand once so many requests came at once and some of them were answered by and by."""
    load = Load(clock)
    for _ in range(begun):
        load.begin()
    for _ in range(ended):
        clock.now += seconds / ended
        load.end()
    return load


def test_the_wait_is_what_is_at_hand_at_the_rate_of_late() -> None:
    """Where 100 a second are answered, 20 requests at hand let one more wait a fifth of a second."""
    load = burst(Clock(), 120, 100, 1.0)
    assert load.at_hand == 20
    assert load.wait() == pytest.approx(0.2, rel=0.05)


def test_a_burst_after_a_pause_is_judged_by_itself() -> None:
    """What was answered at leisure says nothing: the rate is counted from when the worker was last idle."""
    clock = Clock()
    assert Load(clock).wait() == 0
    load = burst(clock, 1, 1, 0.1)
    clock.now += 0.1
    for _ in range(100):
        load.begin()
    for _ in range(50):
        clock.now += 0.001
        load.end()
    assert load.wait() == pytest.approx(0.05)


def test_a_worker_that_answers_nothing_keeps_ever_longer_waiting() -> None:
    """With nothing answered the expected wait grows, so that a stalled worker takes nothing more."""
    clock = Clock()
    load = burst(clock, 80, 1, 0.01)
    waits = []
    for _ in range(3):
        clock.now += 0.2
        waits.append(load.wait())
    assert 1 < waits[0] < waits[1] < waits[2]


@pytest.fixture
def client(artifacts: Path) -> Iterator[httpx.Client]:
    """A client of a service in which nobody may wait at all once two pictures are at hand."""
    with hosting(create_app(Settings(artifacts=artifacts, max_batch=2, wait_ms=0))) as client:
        wait_until_loaded(client)
        yield client


def test_beyond_the_wait_requests_are_refused(client: httpx.Client) -> None:
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
