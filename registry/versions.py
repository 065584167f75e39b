"""Published versions, wherever they lie: the same questions to a folder and to an object store."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from registry import store
from registry.address import Address, Location
from registry.bucket import Bucket
from registry.manifest import GATE, Manifest
from registry.open import Artifact, open_version
from registry.publish import publish


class Versions(Protocol):
    """What is published in one place; errors are those of `registry.open`, `registry.publish` and `registry.bucket`."""

    def models(self) -> list[str]:
        """Names of the models that vote and have at least one version, sorted; the gate is none of them."""

    def numbers(self, model: str) -> list[int]:
        """Published versions of a model, oldest first."""

    def manifest(self, model: str, version: int) -> Manifest:
        """The manifest of one version."""

    def open(self, model: str, version: int) -> Artifact:
        """One version, verified."""

    def publish(self, draft: Manifest, files: Mapping[str, bytes]) -> Manifest:
        """Publish files as the next version of `draft.name`."""

    def where(self, model: str, version: int) -> Path | Address:
        """Where one version lies."""


def at(location: Location) -> Versions:
    """The versions in a folder or below an address."""
    return _Remote(location) if isinstance(location, Address) else _Folder(location)


class _Folder:
    def __init__(self, root: Path) -> None:
        self.root = root

    def models(self) -> list[str]:
        return store.models(self.root)

    def numbers(self, model: str) -> list[int]:
        return store.versions(self.root, model)

    def manifest(self, model: str, version: int) -> Manifest:
        return store.manifest(self.root, model, version)

    def open(self, model: str, version: int) -> Artifact:
        return open_version(self.root, model, version)

    def publish(self, draft: Manifest, files: Mapping[str, bytes]) -> Manifest:
        return publish(self.root, draft, files)

    def where(self, model: str, version: int) -> Path:
        return store.version_path(self.root, model, version)


class _Remote:
    def __init__(self, address: Address) -> None:
        self.bucket = Bucket(address)

    def models(self) -> list[str]:
        return sorted(model for model, versions in self.bucket.listing().items() if versions and model != GATE)

    def numbers(self, model: str) -> list[int]:
        return list(self.bucket.listing().get(model, ()))

    def manifest(self, model: str, version: int) -> Manifest:
        return self.bucket.manifest(model, version)

    def open(self, model: str, version: int) -> Artifact:
        with tempfile.TemporaryDirectory(prefix="digitvote-") as folder:
            root = Path(folder)
            self.bucket.fetch(model, version, store.version_path(root, model, version))
            return open_version(root, model, version)

    def publish(self, draft: Manifest, files: Mapping[str, bytes]) -> Manifest:
        return self.bucket.publish(draft, files)

    def where(self, model: str, version: int) -> Address:
        return self.bucket.address.below(model, version)
