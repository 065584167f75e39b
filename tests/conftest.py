import fcntl
import os
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from service import logs
from service.settings import variables

if TYPE_CHECKING:
    from tests.objectstore import S3


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Coroutine tests (marked anyio, whose plugin comes with starlette) run on asyncio."""
    return "asyncio"


@pytest.fixture(scope="session", autouse=True)
def _no_settings_of_the_developer() -> None:
    """What is exported in the shell that runs the tests does not change what they test."""
    for name in variables():
        os.environ.pop(name, None)


@pytest.fixture(scope="session", autouse=True)
def _interruptible() -> None:
    """What is started here can be interrupted: a shell's job in the background, and all below it, ignores SIGINT."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _quiet() -> None:
    """Services hosted in this process log errors alone, which pytest shows of a test that fails."""
    logs.configure("json", "error")


@pytest.fixture(scope="module")
def ray_folder() -> Iterator[Path]:
    """A folder for a Ray cluster, for one file's tests at a time of all processes: two would starve on two cores."""
    end = time.monotonic() + 1800
    with (Path(tempfile.gettempdir()) / "digitvote-tests-cluster.lock").open("a") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                assert time.monotonic() < end, f"the tests of another process have held {lock.name} for half an hour"
                time.sleep(0.5)
        # Names of Ray's sockets may have no more than a hundred letters: pytest's own folders are too long.
        with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:
            yield Path(folder)


@pytest.fixture(scope="session")
def s3() -> "Iterator[S3]":
    """S3's API over HTTP."""
    from tests import objectstore  # which takes a while to import

    with objectstore.s3() as running:
        yield running
