"""Where a study of `tune` is kept: a file of SQLite, or a database that several machines reach."""

import re
import time
import warnings
from pathlib import Path

from optuna.exceptions import ExperimentalWarning
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from trainer.errors import TrainerError

# Of a worker that was not heard of for so long the trial is tried again; it is heard of six times as often.
PATIENCE_SECONDS = 90

MAX_RETRIES = 3  # of a trial's settings: what ended so many workers would end the next

_WAIT_SECONDS = 60  # of one process for another that writes to SQLite's file
_PASSWORD = re.compile(r"(\w://[^\s:/@]*:)[^\s]*@")


def hidden(text: str) -> str:
    """A text with the password of each address in it left out, as it may be printed."""
    return _PASSWORD.sub(r"\1***@", text)


def is_one_machines(url: str) -> bool:
    """Whether other machines cannot reach it."""
    return url.startswith("sqlite")


def connect(url: str, patience: int = PATIENCE_SECONDS) -> RDBStorage:
    """Open a storage named as SQLAlchemy does; its tables are made where there are none.

    Raises:
        TrainerError: if it cannot be opened, or what it needs is not installed; without the address's password.
    """
    if url.partition("://")[2].count("@") > 1:  # else what is behind the first would be told as a host
        raise TrainerError(hidden(f"--storage {url}: write an @ of the password as %40"))
    if url.startswith("sqlite:///"):
        Path(url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    for left in (5, 4, 3, 2, 1, 0):
        try:
            return _connect(url, patience)
        except DBAPIError as error:  # several processes that all make the tables, too
            if not left:
                raise TrainerError(hidden(f"--storage {url}: {str(error.orig).splitlines()[0]}")) from None
            time.sleep(0.5)
        except ImportError as error:
            extra = ": pip install 'digitvote[postgres]'" if url.startswith("postgres") else ""
            raise TrainerError(hidden(f"--storage {url}: its driver is not installed{extra}")) from error
        except Exception as error:  # SQLAlchemy raises many kinds for an address that is none
            raise TrainerError(hidden(f"--storage {url}: {str(error).splitlines()[0]}")) from None
    raise AssertionError


def _connect(url: str, patience: int) -> RDBStorage:
    # A database's connection lasts for as long as it is used: it has few, and there may be many workers.
    engine = {"connect_args": {"timeout": _WAIT_SECONDS}} if is_one_machines(url) else {"poolclass": NullPool}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        return RDBStorage(
            url,
            engine_kwargs=engine,
            heartbeat_interval=max(1, patience // 6),
            grace_period=patience,
            heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(max_retry=MAX_RETRIES),
        )
