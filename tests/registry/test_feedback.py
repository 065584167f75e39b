import multiprocessing
import os
import signal
import sqlite3
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from registry.feedback import Answer, Bounds, FeedbackError, Store, StoreFullError, UnknownAnswerError, Vote
from registry.feedback_figures import Right, Sureness

NOW = 1_000_000.0


def answer(request_id: str = "a", item: int = 0, label: int = 1, at: float = NOW, shade: int = 9) -> Answer:
    """An answer to a plain picture, on which the two votes differ."""
    votes = (Vote("cnn", 1, label, 0.8), Vote("mlp", 2, 7, 0.6))
    return Answer(request_id, item, at, bytes([shade]) * 784, label, 0.7, votes)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty store."""
    with Store(tmp_path / "feedback.db") as store:
        yield store


def test_what_is_told_is_kept_with_all_that_was_answered(store: Store) -> None:
    """Feedback is the answer, picture and votes included, with the right label and when it was told."""
    store.remember([answer("a"), answer("b", item=3)])
    assert store.tell("b", 3, 7, NOW + 5) == 1
    (told,) = store.told()
    assert told == (answer("b", item=3), 7, NOW + 5)
    assert store.counts() == (1, 1)


def test_the_last_label_counts(store: Store) -> None:
    """Told twice, the same or another label, there is one row with the last."""
    store.remember([answer()])
    for truth in (7, 4, 4):
        assert store.tell("a", 0, truth, NOW) == 1
    assert [told.truth for told in store.told()] == [4]


def test_a_request_id_that_is_used_again_is_of_the_later_answer(store: Store) -> None:
    """Where a caller sends the same id twice, its feedback is of what was answered last, before and after feedback."""
    store.remember([answer(label=1), answer(label=2)])
    assert store.tell("a", 0, 7, NOW) == 2
    store.remember([answer(label=3)])
    assert store.tell("a", 0, 7, NOW) == 3
    assert store.counts() == (1, 0)


def test_what_is_not_remembered_is_unknown(store: Store) -> None:
    """Another id, another item, and what has expired are refused, and nothing is kept."""
    store.remember([answer()])
    for request_id, item in (("b", 0), ("a", 1)):
        with pytest.raises(UnknownAnswerError):
            store.tell(request_id, item, 7, NOW)
    store.expire(Bounds(minutes=1), NOW + 61)
    with pytest.raises(UnknownAnswerError):
        store.tell("a", 0, 7, NOW)
    assert store.counts() == (0, 0)


def test_answers_and_feedback_are_bounded(store: Store) -> None:
    """Only the newest answers are remembered, feedback beyond its rows is refused, and what is old is deleted."""
    store.remember(answer(f"r{number}") for number in range(50))
    store.expire(Bounds(pending=10), NOW)
    assert store.counts() == (0, 10)
    store.tell("r49", 0, 7, NOW, rows=2)
    store.tell("r48", 0, 7, NOW + 86_400, rows=2)
    with pytest.raises(StoreFullError, match="2 are kept"):
        store.tell("r47", 0, 7, NOW, rows=2)
    store.tell("r48", 0, 8, NOW + 86_400, rows=2)  # what is there already can be told again
    store.expire(Bounds(days=1), NOW + 86_401)
    assert [told.answer.request_id for told in store.told()] == ["r48"]


def test_figures_add_up_what_is_kept(store: Store) -> None:
    """Right answers are counted by version and of the vote, labels and confidence of what was answered of late."""
    store.remember([answer("a", label=1), answer("b", label=7), answer("c", label=7, at=NOW - 100)])
    for request_id in "abc":
        store.tell(request_id, 0, 7, NOW)
    store.remember([answer("d", label=3)])
    found = store.figures(NOW - 50)
    assert (found.kept, found.pending) == (3, 1)
    assert found.right == (
        Right("vote", "cnn 1, mlp 2", 3, 2),
        Right("cnn", "1", 3, 2),
        Right("mlp", "2", 3, 3),
    )
    assert found.labels == (0, 1, 0, 1, 0, 0, 0, 1, 0, 0)
    assert [(one.model, one.answers) for one in found.sureness] == [("cnn", 3), ("mlp", 3)]
    assert found.sureness[0].confidence == pytest.approx(0.8)
    assert isinstance(found.sureness[0], Sureness)


def test_figures_of_an_empty_store_are_none(store: Store) -> None:
    """Nothing is divided by nothing."""
    found = store.figures(0)
    assert (found.kept, found.right, sum(found.labels), found.sureness) == (0, (), 0, ())


def test_what_is_forgotten_leaves_no_byte(store: Store) -> None:
    """Neither the file nor its log holds a picture, or the id, of what was deleted, by id or by age."""
    store.remember([answer("secret-request", shade=171), answer("kept", shade=7, at=NOW), answer("old", at=5)])
    store.tell("secret-request", 0, 7, NOW)
    store.tell("kept", 0, 7, NOW)
    assert store.forget(["secret-request", "absent"]) == 1
    assert store.forget(before=NOW) == 1
    assert store.counts() == (1, 0)
    left = b"".join(path.read_bytes() for path in store.path.parent.iterdir() if not path.name.endswith("-shm"))
    assert b"secret-request" not in left
    assert bytes([171]) * 20 not in left
    assert bytes([7]) * 20 in left


def test_a_copy_holds_the_feedback_alone(store: Store, tmp_path: Path) -> None:
    """A copy is a store of what was told, without what was only answered; it replaces no file."""
    store.remember([answer("a"), answer("b")])
    store.tell("a", 0, 7, NOW)
    assert store.copy(tmp_path / "copy.db") == 1
    with Store(tmp_path / "copy.db", read_only=True) as copy:
        assert list(copy.told()) == list(store.told())
        assert copy.counts() == (1, 0)
    with pytest.raises(FeedbackError, match=r"copy\.db: is there already"):
        store.copy(tmp_path / "copy.db")


def test_a_copy_that_fails_leaves_no_file(store: Store, tmp_path: Path) -> None:
    """Of a store that cannot be read there is no copy, not an empty one, and another may be given that name."""
    with sqlite3.connect(store.path) as other:
        other.execute("ALTER TABLE feedback RENAME TO lost")
    other.close()
    with pytest.raises(FeedbackError, match=r"feedback\.db: no such table"):
        store.copy(tmp_path / "copy.db")
    assert not list(tmp_path.glob("copy*"))
    with pytest.raises(FeedbackError, match=r"copy\.db: No such file or directory"):
        store.copy(tmp_path / "none" / "copy.db")


@contextmanager
def locked_up(path: Path) -> Iterator[Path]:
    """A file in a folder in which nobody may write, for a user that is not root."""
    with tempfile.TemporaryDirectory() as name:
        folder, user = Path(name), os.geteuid()
        copy = folder / path.name
        copy.write_bytes(path.read_bytes())
        folder.chmod(0o555)
        copy.chmod(0o444)
        if user == 0:
            os.seteuid(65534)
        try:
            yield copy
        finally:
            os.seteuid(user)
            folder.chmod(0o755)


def test_a_copy_can_be_read_where_nothing_may_be_written(store: Store, tmp_path: Path) -> None:
    """A copy has no log and needs none; of a service's own store it is told what to do instead."""
    store.remember([answer("a")])
    store.tell("a", 0, 7, NOW)
    store.copy(tmp_path / "copy.db")
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("copy")] == ["copy.db"]
    expected = list(store.told())
    store.close()
    with locked_up(tmp_path / "copy.db") as path, Store(path, read_only=True) as copy:
        assert list(copy.told()) == expected
    with locked_up(store.path) as path, pytest.raises(FeedbackError, match="python -m service feedback export"):
        Store(path, read_only=True)


def test_what_another_process_reads_on_is_not_said_to_be_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a reader holds what was there before, forgetting ends with an error; run again afterwards it is gone."""
    monkeypatch.setattr("registry.feedback._BUSY_SECONDS", 0.2)
    with Store(tmp_path / "feedback.db") as store:
        store.remember([answer("secret-request", shade=171)])
        reader = sqlite3.connect(store.path, isolation_level=None)
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM pending").fetchone()
        with pytest.raises(FeedbackError, match="deleted, but another process still reads the log; run it again"):
            store.forget(["secret-request"])
        assert store.counts() == (0, 0)
        reader.close()
        assert store.forget(["secret-request"]) == 0
        left = b"".join(path.read_bytes() for path in tmp_path.iterdir() if not path.name.endswith("-shm"))
        assert bytes([171]) * 20 not in left


def test_only_its_owner_can_read_it(store: Store) -> None:
    """The file and its log are readable by nobody else, as they hold what people wrote."""
    store.remember([answer()])
    assert {stat.S_IMODE(path.stat().st_mode) for path in store.path.parent.iterdir()} == {0o600}


def test_what_is_no_store_is_told(tmp_path: Path) -> None:
    """Another file, another program's database, another schema, a folder and a missing file each have their words."""
    (tmp_path / "text").write_text("not a database " * 100)
    sqlite3.connect(tmp_path / "other").execute("CREATE TABLE mine (x)").connection.close()
    Store(tmp_path / "newer").close()
    base = sqlite3.connect(tmp_path / "newer")
    base.execute("PRAGMA user_version = 2")
    base.close()
    for name, words in {
        "text": "not a store of feedback",
        "other": "another program's SQLite file",
        "newer": "a store of schema 2, this release's is 1",
        ".": "Is a directory",
        "absent/file": "No such file or directory",
    }.items():
        with pytest.raises(FeedbackError, match=words) as raised:
            Store(tmp_path / name)
        assert str(tmp_path / name) in str(raised.value)
    with pytest.raises(FeedbackError, match="unable to open"):
        Store(tmp_path / "absent", read_only=True)


def test_a_file_that_is_removed_is_noticed(store: Store) -> None:
    """A store knows when its file is gone or another's, so that its writer opens it anew."""
    assert not store.gone
    store.path.unlink()
    assert store.gone
    Store(store.path).close()
    assert store.gone


def test_a_full_disk_keeps_what_there_was(store: Store) -> None:
    """Where SQLite finds no page left, that is told, and what was kept stays and can be told again."""
    store.remember([answer()])
    store.tell("a", 0, 7, NOW)
    pages = store._number("PRAGMA page_count")
    store._base.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreFullError, match="the disk is full"):
        store.remember(answer(f"r{number}") for number in range(100))
    assert store.counts() == (1, 0)
    store._base.execute("PRAGMA max_page_count = 100000")
    store.remember([answer("b")])
    assert store.tell("b", 0, 8, NOW) == 1


def _write(path: Path, first: str, ready: "multiprocessing.synchronize.Event") -> None:
    with Store(path) as store:
        number = 0
        while True:
            store.remember([answer(f"{first}{number}")])
            store.tell(f"{first}{number}", 0, 7, time.time())
            number += 1
            if number == 20:
                ready.set()


def test_writers_that_are_killed_leave_whole_rows(tmp_path: Path) -> None:
    """Of two processes that write at once and are killed amid it, all that they acknowledged is there and sound."""
    context = multiprocessing.get_context("spawn")
    path = tmp_path / "feedback.db"
    Store(path).close()
    events = [context.Event() for _ in range(2)]
    writers = [
        context.Process(target=_write, args=(path, name, event)) for name, event in zip("ab", events, strict=True)
    ]
    for writer in writers:
        writer.start()
    assert all(event.wait(60) for event in events)
    for writer in writers:
        os.kill(writer.pid or 0, signal.SIGKILL)
        writer.join()
    with Store(path) as store:
        kept = [told.answer.request_id for told in store.told()]
        for first in "ab":
            mine = [int(name[1:]) for name in kept if name.startswith(first)]
            assert mine == list(range(len(mine)))
            assert len(mine) >= 20
        assert store._base.execute("PRAGMA integrity_check").fetchone() == ("ok",)
