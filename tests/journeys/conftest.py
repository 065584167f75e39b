import shutil
from pathlib import Path

import pytest

from tests.support import ROOT


@pytest.fixture(scope="session")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The committed versions, without what was published beside them since. Not to be changed by tests."""
    folder = tmp_path_factory.mktemp("release")
    for version in (ROOT / "artifacts").glob("*/1"):
        shutil.copytree(version, folder / version.parent.name / "1")
    return folder
