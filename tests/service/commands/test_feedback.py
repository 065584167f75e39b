import time
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from registry.feedback import Answer, Store, Vote
from service.__main__ import cli


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store of three answers, two of them with feedback: one of today, one of ten days ago."""
    path = tmp_path / "feedback.db"
    now = time.time()
    with Store(path) as store:
        store.remember(Answer(name, 0, now, bytes(784), 1, 0.5, (Vote("cnn", 1, 1, 0.5),)) for name in "abc")
        store.tell("a", 0, 7, now)
        store.tell("b", 0, 1, now - 10 * 86_400)
    return path


def ask(path: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["feedback", *arguments], env={"DIGITVOTE_FEEDBACK": str(path)})


def test_count_says_what_is_kept(path: Path) -> None:
    """How many, of which days and labels, and how often the vote was right."""
    told = ask(path, "count").stdout
    assert told.startswith("2 answers with feedback, 1 that can still be fed back\ntold from 20")
    assert "the vote was right on 1\n" in told
    assert "by right label: 0: 0, 1: 1, 2: 0, 3: 0, 4: 0, 5: 0, 6: 0, 7: 1, 8: 0, 9: 0" in told


def test_export_writes_a_store(path: Path, tmp_path: Path) -> None:
    """What is exported can be counted itself; a file that is there is not replaced."""
    copy = tmp_path / "copy.db"
    assert ask(path, "export", str(copy)).stdout == f"2 answers with feedback in {copy}\n"
    assert ask(copy, "count").stdout.startswith("2 answers with feedback, 0 that")
    again = ask(path, "export", str(copy))
    assert (again.exit_code, again.stderr) == (2, f"{copy}: is there already: give another name\n")


def test_forget_deletes_by_id_and_by_age(path: Path) -> None:
    """Of named requests all goes, whether fed back or not; of the others what is older."""
    assert ask(path, "forget", "c", "none").stdout == "1 answer deleted\n"
    assert ask(path, "forget", "--older-than", "5").stdout == "1 answer deleted\n"
    assert ask(path, "count").stdout.startswith("1 answer with feedback, 0 that")
    assert ask(path, "forget", "--older-than", "0").stdout == "1 answer deleted\n"
    nothing = ask(path, "forget")
    assert nothing.exit_code == 2
    assert "name request ids, or give --older-than DAYS" in nothing.stderr


def test_a_store_that_is_not_there_is_told(tmp_path: Path) -> None:
    """No command makes a store: a path that was mistyped is an error, with status 2."""
    for command in (("count",), ("forget", "a"), ("export", str(tmp_path / "copy.db"))):
        done = ask(tmp_path / "none.db", *command)
        assert (done.exit_code, done.stderr) == (2, f"{tmp_path / 'none.db'}: there is no such file\n")
    assert not list(tmp_path.iterdir())
