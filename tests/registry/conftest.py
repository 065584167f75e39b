from collections.abc import Iterator

import pytest

from registry.address import Address
from tests import objectstore


@pytest.fixture(scope="package")
def azure() -> Iterator[None]:
    """Azure's API over HTTP."""
    if not objectstore.azurite():
        pytest.skip("no azurite here: npm install azurite, and name its azurite-blob in AZURITE")
    pytest.importorskip("adlfs", reason="pip install 'digitvote[azure]'")
    with objectstore.azure():
        yield


@pytest.fixture(scope="package")
def google() -> Iterator[None]:
    """Google's API over HTTP."""
    if not objectstore.fake_gcs():
        pytest.skip("no fake-gcs-server here: name it in FAKE_GCS_SERVER")
    pytest.importorskip("gcsfs", reason="pip install 'digitvote[gcs]'")
    with objectstore.google():
        yield


@pytest.fixture(params=["s3", "memory", "az", "gs"])
def address(request: pytest.FixtureRequest) -> Address:
    """An address in a new bucket, of each kind of store."""
    server = {"s3": "s3", "az": "azure", "gs": "google"}.get(request.param)
    if server:
        request.getfixturevalue(server)
    return objectstore.bucket(request.param)
