import os
from collections.abc import Iterator
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
def _quiet() -> None:
    """Services hosted in this process log errors alone, which pytest shows of a test that fails."""
    logs.configure("json", "error")


@pytest.fixture(scope="session")
def s3() -> "Iterator[S3]":
    """S3's API over HTTP."""
    from tests import objectstore  # which takes a while to import

    with objectstore.s3() as running:
        yield running
