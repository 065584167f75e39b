from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from service.app import create_app
from service.settings import Settings
from tests.support import hosting, publish_three, wait_until_loaded


@pytest.fixture(scope="package")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three small models, published; not to be changed."""
    return publish_three(tmp_path_factory.mktemp("artifacts"))


@pytest.fixture(scope="package")
def client(artifacts: Path) -> Iterator[httpx.Client]:
    """A client of a loaded application that takes bodies of 1 MiB."""
    with hosting(create_app(Settings(artifacts=artifacts, max_bytes=2**20))) as client:
        assert wait_until_loaded(client)["state"] == "ready"
        yield client
