"""Digits that are sent to the cluster by several clients, and what came of each."""

import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import httpx
import numpy as np
from PIL import Image

from tests.mnist import digits
from tests.support import encoded

Answer = dict[str, Any]

_SHIFTS = ((0, 0), (0, 1), (1, 0), (0, -1), (-1, 0))
_TRIES = 60  # half a second apart


@cache
def thousand() -> tuple[bytes, ...]:
    """The 200 test digits that the tests carry, each as it is and shifted by a pixel to all sides, as PNG."""
    return tuple(
        encoded(Image.fromarray(np.roll(digit, shift, axis=(0, 1)))) for digit in digits() for shift in _SHIFTS
    )


def ask_all(client: httpx.Client, pictures: Sequence[bytes], clients: int) -> list[Answer]:
    """The answers to pictures, in their order, by so many clients at once; each must be answered."""

    def ask(picture: bytes) -> Answer:
        response = client.post("/predict", files={"file": picture})
        assert response.status_code == 200, response.text
        answer: Answer = response.json()
        return answer

    with ThreadPoolExecutor(clients) as pool:
        return list(pool.map(ask, pictures))


@dataclass
class Load:
    """What became of a load: how many answers were right, which were wrong, and how requests failed."""

    right: int = 0
    wrong: list[tuple[int, Answer]] = field(default_factory=list)
    failed: Counter[str] = field(default_factory=Counter)
    lost: list[int] = field(default_factory=list)  # what no second try had answered either


@contextmanager
def loaded(url: str, expected: Sequence[Answer], clients: int) -> Iterator[Load]:
    """Send digits without end while the block runs; each failure is noted and its digit sent again."""
    load, ended, lock = Load(), threading.Event(), threading.Lock()

    def work(first: int) -> None:
        with httpx.Client(base_url=url, timeout=60) as client:
            number = first
            while not ended.is_set():
                _send(client, number % len(expected), expected, load, lock)
                number += clients

    threads = [threading.Thread(target=work, args=(first,)) for first in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield load
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def _send(client: httpx.Client, number: int, expected: Sequence[Answer], load: Load, lock: threading.Lock) -> None:
    for _ in range(_TRIES):
        try:
            response = client.post("/predict", files={"file": thousand()[number]})
            form = _form(response)
        except httpx.TransportError as error:
            response, form = None, type(error).__name__
        with lock:
            if response is not None and response.status_code == 200:
                answer = response.json()
                if labels(answer) == labels(expected[number]):
                    load.right += 1
                else:
                    load.wrong.append((number, answer))
                return
            load.failed[form] += 1
        time.sleep(0.5)
    with lock:
        load.lost.append(number)


def _form(response: httpx.Response) -> str:
    """How an answer failed: by a row of the service's table, or by Ray's proxy itself."""
    if response.headers.get("content-type", "").startswith("application/problem+json"):
        return f"{response.status_code} {response.json()['type']}"
    return f"{response.status_code} of the proxy: {response.text[:60]}"


def labels(answer: Answer) -> tuple[int, list[tuple[str, int]]]:
    """The winning label, and each model's with its version left out."""
    return answer["label"], [(vote["model"], vote["label"]) for vote in answer["votes"]]
