"""The store of feedback: one SQLite file that the service writes and the trainer reads.

`pending` holds what was answered of late and may still be corrected, `feedback` what was, with the right label. In WAL
mode several processes may use it at once, and a kill or a power cut leaves every transaction whole or undone.
"""

import json
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from registry.feedback_figures import Figures, read_figures

SCHEMA = 1
SIDE = 28
_APPLICATION = 0x64676674  # "dgft", by which `file` and this module know the store from other SQLite files
_BUSY_SECONDS = 5  # that a transaction of another process is waited for
_PAUSE_SECONDS = 0.05
_WAL_BYTES = 4 * 2**20  # to which the log is cut back after a checkpoint
# That a store in WAL mode has no log and none can be made, by whether SQLite can tell why.
_LOGLESS = {sqlite3.SQLITE_READONLY_DIRECTORY, sqlite3.SQLITE_READONLY_CANTINIT}
_ANSWER = "request_id, item, time, picture, label, confidence, votes"
_COLUMNS = f"""
    id INTEGER PRIMARY KEY,
    request_id TEXT NOT NULL,
    item INTEGER NOT NULL CHECK (item >= 0),
    time REAL NOT NULL,
    picture BLOB NOT NULL CHECK (length(picture) = {SIDE * SIDE}),
    label INTEGER NOT NULL CHECK (label BETWEEN 0 AND 9),
    confidence REAL NOT NULL,
    votes TEXT NOT NULL"""
_TABLES = f"""
CREATE TABLE pending ({_COLUMNS}, UNIQUE (request_id, item));
CREATE INDEX pending_time ON pending (time);
CREATE TABLE feedback ({_COLUMNS},
    told REAL NOT NULL,
    truth INTEGER NOT NULL CHECK (truth BETWEEN 0 AND 9), UNIQUE (request_id, item));
CREATE INDEX feedback_told ON feedback (told);
PRAGMA application_id = {_APPLICATION};
PRAGMA user_version = {SCHEMA};
"""


class FeedbackError(Exception):
    """The store cannot be opened, read or written; the message names the file and what is wrong with it."""


class StoreFullError(FeedbackError):
    """There is no room for more, by the store's own bound or on the disk."""


class UnknownAnswerError(FeedbackError):
    """No such answer is remembered, or not any more."""


class Vote(NamedTuple):
    """One model's vote on a picture."""

    model: str
    version: int
    label: int
    confidence: float


@dataclass(frozen=True)
class Answer:
    """What was answered to one picture.

    Attributes:
        request_id: of the request that brought it.
        item: which of the request's pictures it is, from 0.
        time: seconds since the epoch.
        picture: the 28x28 that the models saw, row by row, a byte a pixel, white ink on black.
        label: the vote's.
        confidence: the vote's, in 0..1.
        votes: of the models.
    """

    request_id: str
    item: int
    time: float
    picture: bytes
    label: int
    confidence: float
    votes: tuple[Vote, ...]


class Told(NamedTuple):
    """Feedback: the right label of an answer."""

    answer: Answer
    truth: int
    time: float


@dataclass(frozen=True)
class Bounds:
    """What the store holds at most."""

    days: float = 90  # that feedback is kept
    rows: int = 100_000  # of feedback
    minutes: float = 60  # that an answer can be fed back
    pending: int = 100_000  # answers that can be fed back


class Store:
    """A connection to the file, for one thread.

    Args:
        path: the file, which is made, readable by its owner alone, where there is none.
        read_only: whether it is only read, and must be there.

    Raises:
        FeedbackError: if it cannot be opened, or is no store of this schema.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        with self._errors_named():
            if not read_only:
                os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            uri = f"{path.resolve().as_uri()}?mode={'ro' if read_only else 'rw'}"
            self._base = sqlite3.connect(uri, timeout=_BUSY_SECONDS, isolation_level=None, uri=True)
            self._file = path.stat().st_ino
        try:
            with self._errors_named():
                self._prepare(read_only=read_only)
        except BaseException:
            self._base.close()
            raise

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file; whoever is last writes its log into it."""
        self._base.close()

    @property
    def gone(self) -> bool:
        """Whether the file has been removed, or another put in its place."""
        try:
            return self.path.stat().st_ino != self._file
        except OSError:
            return True

    def _prepare(self, *, read_only: bool) -> None:
        if not read_only:
            with self._transaction():
                if not self._number("PRAGMA application_id") and not self._number("SELECT count(*) FROM sqlite_master"):
                    for statement in _TABLES.strip().split(";\n"):
                        self._base.execute(statement)
        if self._number("PRAGMA application_id") != _APPLICATION:
            raise FeedbackError(f"{self.path}: another program's SQLite file, not a store of feedback")
        if (schema := self._number("PRAGMA user_version")) != SCHEMA:
            raise FeedbackError(
                f"{self.path}: a store of schema {schema}, this release's is {SCHEMA}: use the release that wrote it"
            )
        if not read_only:
            self._base.execute("PRAGMA journal_mode = WAL")
            self._base.execute(f"PRAGMA journal_size_limit = {_WAL_BYTES}")
            self._base.execute("PRAGMA secure_delete = ON")  # what is deleted is overwritten

    def remember(self, answers: Iterable[Answer]) -> None:
        """Keep answers, so that they can be fed back; of two to the same request and item the later counts.

        Raises:
            StoreFullError: if the disk is full.
            FeedbackError: if the file cannot be written.
        """
        with self._errors_named(), self._transaction("NORMAL"):  # the last of them may be lost in a power cut
            self._base.executemany(
                f"INSERT OR REPLACE INTO pending ({_ANSWER}) VALUES (?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
                (
                    (one.request_id, one.item, one.time, one.picture, one.label, one.confidence, json.dumps(one.votes))
                    for one in answers
                ),
            )

    def items(self, request_id: str) -> list[int]:
        """Which pictures of a request are remembered or have feedback, ascending.

        Raises:
            FeedbackError: if the file cannot be read.
        """
        one = "SELECT item FROM {} WHERE request_id = ?"
        both = f"{one.format('pending')} UNION {one.format('feedback')} ORDER BY item"
        with self._errors_named():
            return [item for (item,) in self._base.execute(both, (request_id, request_id))]

    def tell(self, request_id: str, item: int, truth: int, now: float, rows: int = Bounds.rows) -> int:
        """Keep the right label of an answer, in place of one told before; gives the label that was answered.

        Raises:
            UnknownAnswerError: if no such answer is remembered.
            StoreFullError: if `rows` are kept already, or the disk is full.
            FeedbackError: if the file cannot be written.
        """
        key = (request_id, item)
        with self._errors_named(), self._transaction():
            found = self._base.execute("SELECT label FROM pending WHERE request_id = ? AND item = ?", key).fetchone()
            if found is None:
                changed = self._base.execute(
                    "UPDATE feedback SET truth = ?, told = ? WHERE request_id = ? AND item = ? RETURNING label",
                    (truth, now, *key),
                ).fetchone()
                if changed is None:
                    raise UnknownAnswerError(f"{self.path}: nothing of {request_id} {item}")
                return int(changed[0])
            if self._number("SELECT count(*) FROM feedback") >= rows:
                raise StoreFullError(f"{rows:,} are kept, and no more may be")
            self._base.execute(
                f"INSERT OR REPLACE INTO feedback ({_ANSWER}, told, truth) "  # noqa: S608
                f"SELECT {_ANSWER}, ?, ? FROM pending WHERE request_id = ? AND item = ?",
                (now, truth, *key),
            )
            self._base.execute("DELETE FROM pending WHERE request_id = ? AND item = ?", key)
            return int(found[0])

    def expire(self, bounds: Bounds, now: float) -> None:
        """Delete what is older or more than the bounds allow.

        Raises:
            FeedbackError: if the file cannot be written.
        """
        with self._errors_named(), self._transaction("NORMAL"):
            self._base.execute("DELETE FROM feedback WHERE told < ?", (now - bounds.days * 86_400,))
            self._base.execute("DELETE FROM pending WHERE time < ?", (now - bounds.minutes * 60,))
            # A row's id is one more than the highest there is, so no more than so many have one above this.
            self._base.execute("DELETE FROM pending WHERE id <= (SELECT max(id) FROM pending) - ?", (bounds.pending,))

    def forget(self, requests: Sequence[str] = (), *, before: float | None = None) -> int:
        """Delete all that is kept of some requests, or what was told or answered before a time; gives how many.

        Nothing of it is left in the file or its log.

        Raises:
            FeedbackError: if the file cannot be written, or another process goes on reading what was there before.
        """
        with self._errors_named():
            with self._transaction():
                count = sum(
                    self._base.execute(f"DELETE FROM {table} WHERE request_id = ?", (one,)).rowcount  # noqa: S608
                    for table in ("pending", "feedback")
                    for one in requests
                )
                if before is not None:
                    count += self._base.execute("DELETE FROM feedback WHERE told < ?", (before,)).rowcount
                    count += self._base.execute("DELETE FROM pending WHERE time < ?", (before,)).rowcount
            self._base.execute("VACUUM")
            self._empty_log()
        return count

    def counts(self) -> tuple[int, int]:
        """How many answers have feedback, and how many can still be fed back."""
        with self._errors_named():
            return self._number("SELECT count(*) FROM feedback"), self._number("SELECT count(*) FROM pending")

    def told(self) -> Iterator[Told]:
        """All feedback, in the order in which it was first given."""
        with self._errors_named():
            rows = self._base.execute(f"SELECT {_ANSWER}, truth, told FROM feedback ORDER BY id")  # noqa: S608
            for *first, votes, truth, time in rows:
                identity, item, answered, picture, label, confidence = first
                cast = tuple(Vote(*vote) for vote in json.loads(votes))
                yield Told(Answer(identity, item, answered, picture, label, confidence, cast), truth, time)

    def figures(self, since: float) -> Figures:
        """How often votes were right by all feedback, and what was answered since a time."""
        with self._errors_named():
            return read_figures(self._base, since)

    def copy(self, path: Path) -> int:
        """Write all feedback, but nothing that has none, into a new store; gives how many.

        That one has no log, so it can be read where nothing may be written.

        Raises:
            FeedbackError: if there is such a file already, or it cannot be written.
        """
        try:
            path.touch(0o600, exist_ok=False)
        except FileExistsError as error:
            raise FeedbackError(f"{path}: is there already: give another name") from error
        except OSError as error:
            raise FeedbackError(f"{path}: {error.strerror or error}") from error
        try:
            with Store(path) as other, other._errors_named():
                with other._transaction():
                    sql = f"INSERT INTO feedback ({_ANSWER}, told, truth) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
                    count = other._base.executemany(sql, self._rows()).rowcount
                other._base.execute("PRAGMA journal_mode = DELETE")
                return count
        except BaseException:
            path.unlink(missing_ok=True)  # an empty store would be taken for one without feedback
            raise

    def _rows(self) -> Iterator[tuple[object, ...]]:
        """All feedback as it lies in the table; what is wrong with it is told of this file, not of its copy."""
        with self._errors_named():
            yield from self._base.execute(f"SELECT {_ANSWER}, told, truth FROM feedback ORDER BY id")  # noqa: S608

    def _empty_log(self) -> None:
        """Write the log into the file, which waits for whoever reads what was there before, and cut it to nothing."""
        end = time.monotonic() + _BUSY_SECONDS
        while self._number("PRAGMA wal_checkpoint(TRUNCATE)"):  # 1: busy
            if time.monotonic() > end:
                raise FeedbackError(f"{self.path}: deleted, but another process still reads the log; run it again")
            time.sleep(_PAUSE_SECONDS)

    def _number(self, query: str) -> int:
        return int(self._base.execute(query).fetchone()[0])

    @contextmanager
    def _transaction(self, synchronous: Literal["NORMAL", "FULL"] = "FULL") -> Iterator[None]:
        """All or nothing; with FULL it outlives a power cut once it has ended."""
        self._base.execute(f"PRAGMA synchronous = {synchronous}")
        self._base.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._base.execute("COMMIT")
        except BaseException:
            if self._base.in_transaction:  # a full disk may have ended it
                self._base.execute("ROLLBACK")
            raise

    @contextmanager
    def _errors_named(self) -> Iterator[None]:
        """Say which file it is that SQLite or the system has trouble with."""
        try:
            yield
        except OSError as error:
            raise FeedbackError(f"{self.path}: {error.strerror or error}") from error
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
                raise StoreFullError("the disk is full") from error
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_NOTADB:
                raise FeedbackError(f"{self.path}: not a store of feedback: {error}") from error
            if getattr(error, "sqlite_errorcode", None) in _LOGLESS:
                raise FeedbackError(
                    f"{self.path}: a service's store is read through files beside it, and its folder is read-only: "
                    "read a copy that python -m service feedback export made"
                ) from error
            raise FeedbackError(f"{self.path}: {error}") from error
