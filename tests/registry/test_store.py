import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from registry import store
from registry.errors import ArtifactError
from registry.open import open_version
from tests.support import Ink, Linear, publish_model


def test_versions_are_plain_positive_numbers(tmp_path: Path) -> None:
    """Only folders named by a number without leading zero are versions, in the order of the numbers."""
    for name in ("10", "2", "1", "0", "01", "-3", "latest", ".staging-1", "٣"):
        (tmp_path / "mlp" / name).mkdir(parents=True)
    (tmp_path / "mlp" / "7").touch()
    assert store.versions(tmp_path, "mlp") == [1, 2, 10]
    assert store.latest(tmp_path, "mlp") == 10


def test_nothing_is_published_in_an_absent_folder(tmp_path: Path) -> None:
    """An absent folder holds no models and no versions, and is no error."""
    assert store.models(tmp_path / "absent") == []
    assert store.latest(tmp_path / "absent", "mlp") is None


def test_a_folder_without_versions_is_no_model(tmp_path: Path) -> None:
    """A model is listed once it has a version."""
    (tmp_path / "empty").mkdir()
    publish_model(tmp_path, "mlp", Linear(0))
    assert store.models(tmp_path) == ["mlp"]


def test_a_version_that_may_not_be_read_is_told() -> None:
    """It has a stamp, by which it is tried and found wanting; mended it has another, its files being the same."""
    with TemporaryDirectory() as name:  # not below pytest's own folder, which is closed to others
        root = Path(name)
        root.chmod(0o755)
        publish_model(root, "mlp", Linear(0))
        folder = store.version_path(root, "mlp", 1)
        whole = store.stamp(root, "mlp", 1)
        folder.chmod(0)
        with without_rights():
            closed = store.stamp(root, "mlp", 1)
            with pytest.raises(ArtifactError, match=r"manifest.json: Permission denied"):
                open_version(root, "mlp", 1)
        folder.chmod(0o755)
        assert len({whole, closed, None}) == 3
        publish_model(root, "mlp", Linear(1))  # which takes longer than a tick of the file system's clock
        assert store.stamp(root, "mlp", 1) == whole
        (folder / "model.pt").chmod(0o600)
        assert store.stamp(root, "mlp", 1) != whole


@contextmanager
def without_rights() -> Iterator[None]:
    """As another user, where the tests are run by root, who may read everything."""
    user = os.geteuid()
    os.seteuid(user or 65534)
    try:
        yield
    finally:
        os.seteuid(user)


def test_a_gate_does_not_vote(tmp_path: Path) -> None:
    """A gate has versions as models have, but is none of those that vote."""
    publish_model(tmp_path, "gate", Ink())
    assert store.models(tmp_path) == []
    assert store.latest(tmp_path, "gate") == 1


def test_a_manifest_in_the_wrong_place_is_refused(tmp_path: Path) -> None:
    """A manifest that speaks of another version than its folder is an error that names both."""
    publish_model(tmp_path, "mlp", Linear(0))
    (tmp_path / "mlp" / "1").rename(tmp_path / "mlp" / "5")
    with pytest.raises(ArtifactError, match=r"speaks of mlp 1, but lies in mlp/5"):
        store.manifest(tmp_path, "mlp", 5)
