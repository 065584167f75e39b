"""Feedback at work: what is answered is remembered for a while, and kept once somebody says what it should have been.

The event loop only puts things into a queue; one thread a worker takes them out, a batch at a time, and is the only one
that writes. All workers write one file (`registry/feedback.py`), so any of them takes what is said of another's answer.
"""

import asyncio
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue

import numpy as np
import structlog

from registry.feedback import Answer, Bounds, FeedbackError, Store, StoreFullError, UnknownAnswerError, Vote
from registry.rules import Floats
from service import metrics
from service.errors import FeedbackFull, FeedbackUnavailable, ServiceError, UnknownAnswer, WrongFeedback, capital
from service.settings import Settings, SettingsError
from service.vote import Outcome

_WAITING = 4096  # answers that wait to be written at most; a picture is 3 kB
_PAUSE = 0.05  # seconds in which answers gather for one transaction
_PATIENCE = 1.0  # seconds until another worker must have written what it answered
_IDLE = 30.0  # seconds without any after which what is old is looked for all the same
_END = 5.0  # seconds that the last transaction has

log = structlog.get_logger("service")


@dataclass(frozen=True, slots=True)
class _Given:
    """An answer that was given, to be written."""

    request_id: str
    item: int
    time: float
    picture: Floats
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class _Told:
    """A right label, and the future that its sender awaits."""

    request_id: str
    item: int | None  # of an answer to one picture it need not be said
    label: int
    future: asyncio.Future[tuple[int, int]]


def bounds_of(settings: Settings) -> Bounds:
    """What the store may hold by these settings."""
    return Bounds(settings.feedback_days, settings.feedback_rows, settings.feedback_minutes, settings.feedback_pending)


def check(settings: Settings) -> None:
    """Open the store once, which makes it where there is none.

    Raises:
        SettingsError: if it cannot be opened.
    """
    if settings.feedback is None:
        return
    try:
        Store(settings.feedback).close()
    except FeedbackError as error:
        raise SettingsError(f"DIGITVOTE_FEEDBACK: {error}. Name a file in a folder that can be written.") from error


class Feedback:
    """Remembers answers and takes their right labels, of one worker."""

    def __init__(self, settings: Settings, path: Path) -> None:
        self._path = path
        self._bounds = bounds_of(settings)
        self._patience = _PATIENCE if settings.workers > 1 else 0
        self._jobs: SimpleQueue[_Given | _Told | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="feedback", daemon=True)
        self._store: Store | None = None
        self._failing = False

    def start(self) -> None:
        """Begin to write; not before the workers are forked."""
        self._thread.start()

    async def stop(self) -> None:
        """Write what is still to be written, and let go of the file."""
        if self._thread.is_alive():
            self._jobs.put(None)
            await asyncio.to_thread(self._thread.join, _END)

    def remember(self, request_id: str, item: int, picture: Floats, outcome: Outcome) -> None:
        """Have an answer to a picture [1, 28, 28] written; where too many wait already it is left out, and counted."""
        if self._jobs.qsize() < _WAITING:
            self._jobs.put(_Given(request_id, item, time.time(), picture, outcome))
        else:
            metrics.FEEDBACK_LOST.inc()

    async def tell(self, request_id: str, item: int | None, label: int) -> tuple[int, int]:
        """Keep the right label of an answer, and give which picture's it is and the label that was answered.

        Raises:
            UnknownAnswer: if no such answer is remembered.
            WrongFeedback: if the answer is to several pictures, and which is not said.
            FeedbackFull: if there is no room for more.
            FeedbackUnavailable: if the store cannot be written.
        """
        # What another worker answered may lie in its queue still.
        end = time.monotonic() + self._patience
        while True:
            future: asyncio.Future[tuple[int, int]] = asyncio.get_running_loop().create_future()
            self._jobs.put(_Told(request_id, item, label, future))
            try:
                return await future
            except UnknownAnswer:
                if time.monotonic() >= end:
                    raise
            await asyncio.sleep(_PAUSE)

    def _run(self) -> None:
        """Write until the end is told: this is the thread."""
        going = True
        while going:
            jobs = self._next()
            going = None not in jobs
            given = [job for job in jobs if isinstance(job, _Given)]
            self._write(given)
            for job in jobs:
                if isinstance(job, _Told):
                    self._settle(job)
        if self._store is not None:
            self._store.close()

    def _next(self) -> list[_Given | _Told | None]:
        """All that waits once something does, a moment later so that it is many; nothing after a while without any."""
        jobs: list[_Given | _Told | None] = []
        with suppress(Empty):
            jobs.append(self._jobs.get(timeout=_IDLE))
            if jobs[0] is not None:
                time.sleep(_PAUSE)
            while len(jobs) < _WAITING:
                jobs.append(self._jobs.get_nowait())
        return jobs

    def _write(self, given: list[_Given]) -> None:
        """Write answers, and delete what is old; where that fails they are lost, and the log says so once."""
        try:
            store = self._open()
            if given:
                store.remember(map(_answer, given))
            store.expire(self._bounds, time.time())
            self._failing = False
        except Exception as error:  # whatever it is, predictions go on being answered
            metrics.FEEDBACK_LOST.inc(len(given))
            if not self._failing:
                log.error(
                    "answers are not remembered", reason=str(error), exc_info=not isinstance(error, FeedbackError)
                )
            self._failing = True

    def _settle(self, told: _Told) -> None:
        """Keep one right label, and tell its sender what came of it."""
        outcome: tuple[int, int] | ServiceError
        try:
            store = self._open()
            item = told.item if told.item is not None else _only(store.items(told.request_id))
            outcome = item, store.tell(told.request_id, item, told.label, time.time(), self._bounds.rows)
        except WrongFeedback as error:
            outcome = error
        except UnknownAnswerError:
            outcome = UnknownAnswer()
        except StoreFullError as error:
            outcome = FeedbackFull(capital(f"{error}. {FeedbackFull.default}"))
        except Exception as error:
            log.error("feedback not kept", reason=str(error), exc_info=not isinstance(error, FeedbackError))
            outcome = FeedbackUnavailable()
        with suppress(RuntimeError):  # the event loop has ended
            told.future.get_loop().call_soon_threadsafe(_resolve, told.future, outcome)

    def _open(self) -> Store:
        """The store, opened again where its file was removed."""
        if self._store is not None and self._store.gone:
            self._store.close()
            self._store = None
        if self._store is None:
            self._store = Store(self._path)
        return self._store


def _only(items: list[int]) -> int:
    if len(items) > 1:
        raise WrongFeedback(f"That answer is to {len(items)} pictures: say which one's label it is as 'index', from 0.")
    return next(iter(items), 0)


def _answer(given: _Given) -> Answer:
    outcome = given.outcome
    picture = np.rint(given.picture * np.float32(255)).astype(np.uint8).tobytes()
    votes = tuple(Vote(one.model, one.version, one.label, one.confidence) for one in outcome.cast)
    return Answer(given.request_id, given.item, given.time, picture, outcome.label, outcome.confidence, votes)


def _resolve(future: asyncio.Future[tuple[int, int]], outcome: tuple[int, int] | ServiceError) -> None:
    if future.done():  # its sender has gone
        return
    if isinstance(outcome, ServiceError):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)
