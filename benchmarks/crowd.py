"""The clients of a soak: what each sends, and what it reports of the answer."""

import json
import random
import select
import socket
import struct
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPResponse
from typing import Any

import numpy as np

from benchmarks.trouble import file, grained, inked, placed, soft
from benchmarks.uploads import digit
from service.errors import MEDIA_TYPE
from tests.hostile.corpus import ARCHIVES, FORMS, PICTURES, corpus
from tests.hostile.forms import END, FORM, part
from tests.hostile.send import Problem, check, request
from tests.mnist import digits, labels

OUTCOMES = ("right", "wrong", "refused", "cut off", "error", "gone", "killed", "lost")
BAD = ("wrong", "error", "lost")
BODY_SECONDS = 5  # that the service gives a body
_PATIENCE = 60  # seconds without a byte: lost
_TOGETHER = 5  # digits in a batch
_PAUSE = 0.01  # seconds between a client's requests

Picture = tuple[bytes, int]  # a file and the digit on it


@dataclass
class Reports:
    """What the clients got: counts by client and outcome, and whose requests ended with a killed worker."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    voted: set[tuple[str, int]] = field(default_factory=set)
    remarks: list[str] = field(default_factory=list)
    kills: int = 0
    _buried: dict[int, float] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, client: str, outcome: str, remark: str) -> None:
        """One more request."""
        with self._lock:
            self.counts[client, outcome] += 1
            if outcome in BAD:
                self.remarks.append(f"{client}: {outcome}: {remark[:300]}")

    def bury(self, ports: Iterable[int]) -> None:
        """The requests from these ports end now, with their worker."""
        self.kills += 1
        self._buried.update(dict.fromkeys(ports, time.monotonic()))

    def died(self, port: int, began: float) -> bool:
        """Whether a request from a port, which began then, ended with a killed worker."""
        return self._buried.get(port, 0.0) >= began

    def of(self, client: str | None) -> Counter[str]:
        """The outcomes of a client's requests, or of all."""
        found: Counter[str] = Counter()
        with self._lock:
            for (name, outcome), count in self.counts.items():
                if client in (None, name):
                    found[outcome] += count
        return found


class Street:
    """The service's address, and the pictures that are sent to it, with the labels that they must get."""

    def __init__(self, port: int) -> None:
        self._address = ("127.0.0.1", port)
        chance = np.random.default_rng(0)
        rows = [int(label) for label in labels()[:60]]
        self.small = self._read_right([(digit(row), label) for row, label in enumerate(rows)])
        self.pages = self._read_right([(_page(row, chance), label) for row, label in enumerate(rows[:16])])
        if len(self.small) < 30 or len(self.pages) < 4:
            raise SystemExit(f"only {len(self.small)} digits and {len(self.pages)} pages are read right")

    def _read_right(self, pictures: Sequence[Picture]) -> list[Picture]:
        """Those that are: what a model takes for another digit is no matter of a soak."""
        return [picture for picture in pictures if self._answer(picture[0])["label"] == picture[1]]

    def _answer(self, picture: bytes) -> dict[str, Any]:
        with self.connected() as connection:
            connection.sendall(request("/predict", form(picture), FORM))
            status, _, body = answered(connection)
        if status != 200:
            raise SystemExit(f"a digit got {status}: {body[:200]!r}")
        answer: dict[str, Any] = json.loads(body)
        return answer

    def connected(self) -> socket.socket:
        """A new connection."""
        return socket.create_connection(self._address, _PATIENCE)


@dataclass
class Turn:
    """One request of a client on a connection of its own."""

    connection: socket.socket
    street: Street
    reports: Reports
    chance: random.Random


Told = tuple[str, str]  # an outcome and a remark
Client = Callable[[Turn], Told]


def _page(row: int, chance: np.random.Generator) -> bytes:
    ink = placed(soft(digits()[row].astype(np.float32) / 255, 500), 900, 1200, chance)
    return file(grained(inked(ink), chance), "JPEG")[0]


def form(*pictures: bytes) -> bytes:
    """Pictures as a form."""
    return b"".join(map(part, pictures)) + END


def answered(connection: socket.socket) -> tuple[int, str, bytes]:
    """Status, type and body of an answer; raises OSError or HTTPException where none, or half of one, comes."""
    with closing(HTTPResponse(connection)) as response:
        response.begin()
        return response.status, response.headers.get_content_type(), response.read()


def judged(connection: socket.socket, right: Callable[[dict[str, Any]], bool]) -> Told:
    """What became of a request whose answer must be 200 and right."""
    status, _, body = answered(connection)
    if status in (503, 429):
        return "refused", ""
    if status >= 500:
        return "error", f"{status} {body!r}"
    return ("right" if status == 200 and right(json.loads(body)) else "wrong"), f"{status} {body!r}"


def _one(turn: Turn, picture: Picture) -> Told:
    identity = uuid.uuid4().hex

    def right(answer: dict[str, Any]) -> bool:
        turn.reports.voted.update((vote["model"], vote["version"]) for vote in answer["votes"])
        return bool(answer["label"] == picture[1] and answer["receipt"]["request_id"] == identity)

    turn.connection.sendall(request("/predict", form(picture[0]), FORM, f"X-Request-ID: {identity}"))
    return judged(turn.connection, right)


def one_digit(turn: Turn) -> Told:
    """A PNG of 28 x 28."""
    return _one(turn, turn.chance.choice(turn.street.small))


def one_page(turn: Turn) -> Told:
    """A JPEG of 1200 x 900."""
    return _one(turn, turn.chance.choice(turn.street.pages))


def batch(turn: Turn) -> Told:
    """Digits with something among them that is no picture: each answer must stand in its place."""
    pictures: list[Picture | None] = [*turn.chance.choices(turn.street.small, k=_TOGETHER), None]
    turn.chance.shuffle(pictures)
    contents = [picture[0] if picture else b"no picture at all" for picture in pictures]
    turn.connection.sendall(request("/predict/batch", form(*contents), FORM))

    def right(answer: dict[str, Any]) -> bool:
        found = [each["prediction"]["label"] if "prediction" in each else None for each in answer["answers"]]
        return found == [picture and picture[1] for picture in pictures]

    return judged(turn.connection, right)


def hostile(turn: Turn) -> Told:
    """Something of the corpus: any answer is right that is no error of the service's own."""
    case = turn.chance.choice(corpus(turn.chance.choice([*PICTURES, *ARCHIVES, *FORMS])))
    path, content = turn.chance.choice(case.requests)
    with suppress(BrokenPipeError, ConnectionResetError):  # refused unread: its answer may be there all the same
        turn.connection.sendall(content)
    try:
        status, content_type, body = answered(turn.connection)
    except (OSError, HTTPException) as error:
        raise OSError(f"{case.kind}: {case.name}: {path}: {error!r}") from error
    if status in (503, 429):
        return "refused", ""
    if status >= 500:
        return "error", f"{case.kind}: {case.name}: {path}: {status} {body!r}"
    try:
        if status >= 400 and content_type == MEDIA_TYPE:
            check(json.loads(body))
    except Problem as problem:
        return "wrong", f"{case.kind}: {case.name}: {path}: {problem}"
    return "right", ""


def slow(turn: Turn) -> Told:
    """A digit byte by byte, in time or too late: then it is cut off."""
    picture = turn.chance.choice(turn.street.small)
    content = request("/predict", form(picture[0]), FORM)
    head = content.index(b"\r\n\r\n") + 4
    seconds, began = turn.chance.uniform(0.5, 2 * BODY_SECONDS), time.monotonic()
    try:
        turn.connection.sendall(content[:head])
        for at in range(head, len(content)):
            if select.select([turn.connection], [], [], seconds / (len(content) - head))[0]:
                break  # an answer before the end
            turn.connection.sendall(content[at : at + 1])
        status, _, body = answered(turn.connection)
    except (OSError, HTTPException):
        if time.monotonic() - began < 0.8 * BODY_SECONDS:
            raise
        return "cut off", ""
    took = time.monotonic() - began  # longer than meant, where the machine is busy
    if status == 408 and took > 0.8 * BODY_SECONDS:
        return "cut off", ""
    if status in (503, 429):
        return "refused", ""
    right = status == 200 and json.loads(body)["label"] == picture[1]
    return ("right" if right else "error" if status >= 500 else "wrong"), f"in {took:.1f} s: {status} {body!r}"


def vanishing(turn: Turn) -> Told:
    """Goes away: at once, within its body, or before its answer; in good order, or with a reset."""
    pictures = turn.chance.choices(turn.street.small, k=turn.chance.choice([1, 20]))
    path = "/predict/batch" if len(pictures) > 1 else "/predict"
    content = request(path, form(*(picture for picture, _ in pictures)), FORM, "Accept: application/x-ndjson")
    if turn.chance.random() < 0.5:
        turn.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    turn.connection.sendall(content[: turn.chance.choice([0, 20, len(content) // 2, len(content)])])
    time.sleep(turn.chance.choice([0, 0.005, 0.05]))
    return "gone", ""


# Each kind of client, and how many there are of it.
CLIENTS: dict[str, tuple[Client, int]] = {
    "28x28 PNG": (one_digit, 4),
    "1200x900 JPEG": (one_page, 2),
    "batch": (batch, 1),
    "hostile": (hostile, 2),
    "slow": (slow, 3),
    "vanishing": (vanishing, 2),
}


def live(name: str, street: Street, reports: Reports, chance: random.Random, over: threading.Event) -> None:
    """A client's life: a turn after another, until all is over."""
    while not over.wait(_PAUSE):
        port, began = 0, time.monotonic()
        try:
            with street.connected() as connection:
                port = connection.getsockname()[1]
                outcome, remark = CLIENTS[name][0](Turn(connection, street, reports, chance))
        except (OSError, HTTPException) as error:
            outcome, remark = ("killed" if reports.died(port, began) else "lost"), repr(error)
        reports.add(name, outcome, remark)
