from pathlib import Path

import pytest

from registry import store
from registry.address import Address
from registry.bucket import Bucket
from registry.errors import ArtifactError
from registry.mirror import Mirror
from registry.objects import StoreError
from registry.open import open_version
from registry.versions import at
from tests import objectstore
from tests.drafts import draft
from tests.registry.killed import FILES


@pytest.fixture
def address() -> Address:
    """An address with one version."""
    address = objectstore.bucket("memory")
    at(address).publish(draft("mlp"), FILES)
    return address


@pytest.fixture
def mirror(address: Address, tmp_path: Path) -> Mirror:
    """A mirror that has looked."""
    mirror = Mirror(address, tmp_path / "cache")
    mirror.look()
    return mirror


def fail(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Have the store answer none of these calls."""

    def failing(*_: object, **__: object) -> None:
        raise StoreError("the store is down")

    for name in names:
        monkeypatch.setattr(f"registry.objects.Objects.{name}", failing)


def test_a_copy_is_what_lies_there(mirror: Mirror) -> None:
    """A version that is taken can be opened in the folder, which is a root like any other."""
    assert (mirror.versions("mlp"), mirror.trouble) == ([1], None)
    mirror.take("mlp", 1)
    assert open_version(mirror.root, "mlp", 1).model == FILES["model.pt"]
    assert store.versions(mirror.root, "mlp") == [1]


def test_a_copy_is_made_once(mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is there and whole is not fetched again, nor needs the store."""
    mirror.take("mlp", 1)
    fail(monkeypatch, "get")
    mirror.take("mlp", 1)
    (mirror.root / "mlp" / "1" / "model.pt").write_bytes(b"damaged")
    with pytest.raises(StoreError, match="down"):
        mirror.take("mlp", 1)


def test_a_damaged_copy_is_made_anew(mirror: Mirror) -> None:
    """A file of the folder that somebody changed, added or removed does not stay."""
    mirror.take("mlp", 1)
    (mirror.root / "mlp" / "1" / "golden.npz").unlink()
    (mirror.root / "mlp" / "1" / "evil.py").write_bytes(b"evil")
    mirror.take("mlp", 1)
    assert open_version(mirror.root, "mlp", 1).model == FILES["model.pt"]


def test_what_does_not_fit_its_manifest_is_not_taken(mirror: Mirror, address: Address) -> None:
    """A damaged object leaves the folder as it was: without the version, or with the whole copy of before."""
    mirror.take("mlp", 1)
    at(address).publish(draft("mlp"), FILES)
    for version in (1, 2):
        objectstore.write(address, f"mlp/{version}/golden.npz", b"damaged")
    mirror.look()
    for version in (1, 2):
        with pytest.raises(ArtifactError, match=rf"{address}/mlp/{version}/golden\.npz: sha256 is"):
            mirror.take("mlp", version)
    assert store.versions(mirror.root, "mlp") == [1]
    assert open_version(mirror.root, "mlp", 1).model == FILES["model.pt"]
    assert not list(mirror.root.glob(f"mlp/{store.STAGING}*"))


def test_a_number_that_is_used_again_is_copied_again(mirror: Mirror, address: Address) -> None:
    """Other objects under a number take the place of the old copy."""
    mirror.take("mlp", 1)
    before = mirror.stamp("mlp", 1)
    objectstore.remove(address, "mlp", 1)
    at(address).publish(draft("mlp"), {**FILES, "model.pt": b"another"})
    mirror.look()
    assert mirror.stamp("mlp", 1) != before
    mirror.take("mlp", 1)
    assert open_version(mirror.root, "mlp", 1).model == b"another"


def test_without_the_store_the_copies_are_what_there_is(
    mirror: Mirror, address: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At a start while the store is down copies are found with the stamps that they had; what came later is not."""
    mirror.take("mlp", 1)
    at(address).publish(draft("mlp"), FILES)
    mirror.look()
    stamp = mirror.stamp("mlp", 1)
    with monkeypatch.context() as down:
        fail(down, "list", "get")
        mirror.look()
        assert mirror.trouble == "the store is down"
        assert mirror.versions("mlp") == [1, 2], "what was known stays known"
        second = Mirror(address, mirror.root)
        second.look()
        assert (second.versions("mlp"), second.stamp("mlp", 1), second.seen) == ([1], stamp, None)
        second.take("mlp", 1)
        empty = Mirror(address, mirror.root.parent / "empty")
        empty.look()
        assert empty.versions("mlp") == []
        with pytest.raises(StoreError):
            mirror.take("mlp", 2)
    second.look()
    assert (second.versions("mlp"), second.stamp("mlp", 1), second.trouble) == ([1, 2], stamp, None)


def test_a_copy_without_its_origin_is_none(mirror: Mirror, address: Address) -> None:
    """A kill between two steps leaves nothing that would be taken for a copy of what lies there."""
    mirror.take("mlp", 1)
    (mirror.root / "mlp" / ".1.origin").write_bytes(b"[[")
    again = Mirror(address, mirror.root)
    assert again._copies() == {}
    again.look()
    again.take("mlp", 1)
    assert again._copies() == {"mlp": {1: again.stamp("mlp", 1)}}


def test_copies_are_bounded(mirror: Mirror, address: Address, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is gone from the store and not served goes, and of the rest the newest four stay, and what is served."""
    for _ in range(6):
        at(address).publish(draft("mlp"), FILES)
    mirror.look()
    for version in mirror.versions("mlp"):
        mirror.take("mlp", version)
    objectstore.remove(address, "mlp", 7)
    objectstore.remove(address, "mlp", 6)
    mirror.look()
    with monkeypatch.context() as down:
        fail(down, "list")
        mirror.look()
        mirror.tidy({})
    assert store.versions(mirror.root, "mlp") == [1, 2, 3, 4, 5, 6, 7], "nothing goes while the store is down"
    mirror.look()
    mirror.tidy({"mlp": {6}})
    assert store.versions(mirror.root, "mlp") == [2, 3, 4, 5, 6]
    mirror.tidy({"mlp": {5}})
    assert store.versions(mirror.root, "mlp") == [2, 3, 4, 5]
    assert len(list(mirror.root.glob("mlp/.*.origin"))) == 4


def test_a_cache_that_cannot_be_written_is_the_stores_trouble(mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk is told by its file's name, as something that may pass."""

    def full(path: Path, _content: bytes) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("registry.disk.write", full)
    with pytest.raises(StoreError, match="No space left on device"):
        mirror.take("mlp", 1)


def test_a_version_is_read_and_told_by_its_address(address: Address) -> None:
    """What the store has is found by name and place; a version that it lacks is told."""
    assert str(at(address).where("mlp", 1)) == f"{address}/mlp/1"
    assert Bucket(address).manifest("mlp", 1).version == 1
    with pytest.raises(ArtifactError, match=rf"{address}/mlp/9/manifest\.json: there is none"):
        at(address).open("mlp", 9)
