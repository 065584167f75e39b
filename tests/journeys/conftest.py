import shutil
from pathlib import Path

import pytest

from registry import store
from registry.manifest import GATE
from tests.support import ROOT


@pytest.fixture(scope="session")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The committed versions, without what was published beside them since. Not to be changed by tests."""
    folder = tmp_path_factory.mktemp("release")
    root = ROOT / "artifacts"
    for model in (*store.models(root), GATE):
        version = store.version_path(root, model, store.versions(root, model)[0])
        shutil.copytree(version, folder / model / version.name)
    return folder
