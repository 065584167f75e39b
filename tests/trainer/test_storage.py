"""A study on a database that several machines could reach."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.engine import make_url

from tests import postgres
from tests.trainer.conftest import OTHER, ROOT, TINY, environment
from tests.waiting import until
from trainer import storage, tune
from trainer.errors import TrainerError

TRIALS = 6


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """A PostgreSQL's address."""
    if not postgres.programs():
        pytest.skip("PostgreSQL is not installed")
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    with postgres.server() as url:
        yield url


def recipe_of(folder: Path, epochs: int) -> Path:
    """The tiny recipe with so many epochs of its MLP and a target that all reach."""
    path = folder / "short.toml"
    text = TINY.read_text().replace('name = "tiny"', 'name = "short"')
    path.write_text(text.replace("epochs = 8", f"epochs = {epochs}").replace("target = 0.5", "target = 0"))
    return path


def seen(url: str, name: str, wanted: Callable[[list[FrozenTrial]], bool]) -> list[FrozenTrial]:
    """The study's trials, as soon as they are as wanted."""
    opened = storage.connect(url)
    trials: list[FrozenTrial] = []

    def hold() -> bool:
        nonlocal trials
        with suppress(KeyError):  # it is still to be made
            trials = optuna.load_study(study_name=name, storage=opened).trials
        return wanted(trials)

    until(hold, "the trials did not come to be as wanted")
    opened.remove_session()
    return trials


def begun(trials: list[FrozenTrial]) -> list[FrozenTrial]:
    """Those that run, with settings, by a worker that is known."""
    running = (trial for trial in trials if trial.state == TrialState.RUNNING and trial.params)
    return [trial for trial in running if "worker" in trial.user_attrs]


@pytest.mark.timeout(600)
def test_a_killed_worker_loses_no_trial(database: str, tmp_path: Path) -> None:
    """Four workers on one study, one killed in a trial: its settings are tried again, and as many end as were asked."""
    command = [
        sys.executable, "-m", "trainer", "tune", "--model", "mlp", "--recipe", str(recipe_of(tmp_path, 6)), *OTHER,
        "--trials", str(TRIALS), "--storage", database, "--out", str(tmp_path / "tuned.toml"), "--patience", "10",
    ]  # fmt: skip
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    workers = [
        subprocess.Popen(command, cwd=ROOT, env=environment(), text=True, **pipes)  # type: ignore[call-overload]
        for _ in range(4)
    ]
    victims = {str(worker.pid): worker for worker in workers}

    lost = begun(seen(database, "short-mlp", lambda trials: bool(begun(trials))))[0]
    victim = victims[lost.user_attrs["worker"].rpartition(":")[2]]
    victim.kill()
    outputs = [worker.communicate(timeout=200) for worker in workers]
    assert sorted(worker.returncode for worker in workers) == [-9, 0, 0, 0], outputs

    trials = seen(database, "short-mlp", bool)
    assert len([trial for trial in trials if trial.state in tune.ENDED]) == TRIALS
    assert {trial.state for trial in trials} <= {*tune.ENDED, TrialState.FAIL}
    (again,) = [trial for trial in trials if trial.system_attrs.get("failed_trial") == lost.number]
    assert trials[lost.number].state == TrialState.FAIL
    assert again.state in tune.ENDED
    assert again.params.items() >= lost.params.items()
    assert (tmp_path / "tuned.toml").exists()
    assert all(postgres.PASSWORD not in text for output in outputs for text in output)


def test_wrong_password(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that refuses is told with its password left out."""
    monkeypatch.setattr("trainer.storage.time.sleep", lambda _: None)
    wrong = make_url(database).set(password="another-secret").render_as_string(hide_password=False)
    with pytest.raises(
        TrainerError, match=r"://tuner:\*\*\*@127.0.0.1:\d+/postgres: .*authentication failed"
    ) as raised:
        storage.connect(wrong)
    assert "another-secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("postgresql+psycopg://me:secret@127.0.0.1:1/x", r"://me:\*\*\*@127.0.0.1:1/x: .*connection"),
        ("postgresql+psycopg://me:secr@t@127.0.0.1/x", r"://me:\*\*\*@127.0.0.1/x: write an @ of the password as %40"),
        ("postgresql+psycopg://me:secret@127.0.0.1:port/x", r"://me:\*\*\*@127.0.0.1:port/x: "),
        ("nosuchdatabase://me:secret@host/x", r"nosuchdatabase://me:\*\*\*@host/x: "),
        ("postgresql+pg8000://me:secret@host/x", r"its driver is not installed: pip install 'digitvote\[postgres\]'"),
    ],
)
def test_bad_addresses(url: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is no database, or none that answers, is one line without the password."""
    monkeypatch.setattr("trainer.storage.time.sleep", lambda _: None)
    with pytest.raises(TrainerError, match=told) as raised:
        storage.connect(url)
    assert "secret" not in str(raised.value)
    assert "secr@t" not in str(raised.value)


def test_hidden_in_a_command() -> None:
    """The command that is told after a stop has no password in it either."""
    command = "python -m trainer tune --storage 'postgresql+psycopg://me:pa$$w@rd@db/x' --trials 3"
    assert storage.hidden(command) == "python -m trainer tune --storage 'postgresql+psycopg://me:***@db/x' --trials 3"
    assert storage.hidden("sqlite:///runs/tune.db") == "sqlite:///runs/tune.db"
