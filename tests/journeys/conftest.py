import shutil
from pathlib import Path

import pytest

from registry import store
from registry.manifest import GATE
from tests.support import RELEASE, committed


@pytest.fixture(scope="session")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The committed versions, without what was published beside them since. Not to be changed by tests."""
    folder = tmp_path_factory.mktemp("release")
    for model in (*store.models(RELEASE), GATE):
        version = store.version_path(RELEASE, model, committed(model))
        shutil.copytree(version, folder / model / version.name)
    return folder
