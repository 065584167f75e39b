"""A folder that holds verified copies of versions on an object store, for as long as these are wanted there.

Several processes may share it: whoever fetches versions of a model holds a lock of that model, so that each is fetched
once, and whoever changes what the others see holds one of the folder, though never while a store is waited for. Beside
each copy stands, in `.<version>.origin`, what the store's listing said of the objects that it was made of.
"""

import fcntl
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from registry import disk, store
from registry.address import Address
from registry.bucket import Bucket, Listing
from registry.errors import ArtifactError
from registry.objects import StoreError
from registry.open import open_version
from registry.store import Stamp

_KEPT = 4  # copies of a model's newest versions, served or not: as many as its report shows


class Mirror:
    """The versions below an address, as they are now or, while the store does not answer, were when it last did."""

    def __init__(self, address: Address, root: Path) -> None:
        self.address = address
        self.root = root
        self.trouble: str | None = None  # why the store was not reached at the last look
        self.seen: float | None = None  # when it last was, in seconds since 1970
        self._bucket = Bucket(address)
        self._listing: Listing = {}

    def check_writable(self) -> None:
        """Make the folder and a lock in it.

        Raises:
            OSError: if it cannot be written.
        """
        with self._locked():
            pass

    def look(self) -> None:
        """Ask the store which versions there are; `trouble` says if it could not be asked."""
        try:
            self._listing = self._bucket.listing()
        except StoreError as error:
            self.trouble = str(error)
            if self.seen is None:
                self._listing = self._copies()
        else:
            self.trouble, self.seen = None, time.time()

    def versions(self, model: str) -> list[int]:
        """Versions of a model as of the last look, oldest first."""
        return list(self._listing.get(model, ()))

    def stamp(self, model: str, version: int) -> Stamp | None:
        """What is another once any object of a version is."""
        return self._listing.get(model, {}).get(version)

    def take(self, model: str, version: int) -> None:
        """Have a verified copy of a version in the folder.

        Raises:
            ArtifactError: if an object of it is absent, or has another sha256 than the manifest says.
            StoreError: if there is no whole copy, and the store does not answer or the folder cannot be written.
        """
        stamp = self.stamp(model, version)
        try:
            with self._locked(f".{model}.lock"):
                if self._origin(model, version) != stamp or not self._is_whole(model, version):
                    self._fetch(model, version, stamp)
        except OSError as error:
            raise StoreError(f"{error.filename or self.root}: {error.strerror or error}") from error

    def _fetch(self, model: str, version: int, stamp: Stamp | None) -> None:
        folder = self.root / model
        disk.remove_stale(folder, f"{store.STAGING}*")
        with disk.staging(folder) as staged:
            self._bucket.fetch(model, version, staged)
            with self._locked():
                self._drop(model, version)  # a copy of other objects, or one that is damaged
                disk.write(self._origin_path(model, version), json.dumps(stamp).encode())
                disk.settle(staged, folder / str(version))

    def tidy(self, served: Mapping[str, set[int]]) -> None:
        """Remove copies that are not served and no longer in the store, or of versions older than the newest few.

        Raises:
            OSError: if the folder cannot be written.
        """
        if self.trouble is not None:
            return
        with self._locked():
            for model in (path.name for path in self.root.iterdir() if path.is_dir()):
                there = [version for version in store.versions(self.root, model) if version in self.versions(model)]
                for version in store.versions(self.root, model):
                    if version not in (*there[-_KEPT:], *served.get(model, ())):
                        self._drop(model, version)

    def _copies(self) -> Listing:
        """What a listing would say if the store held what the folder holds."""
        found: Listing = {}
        for path in self.root.glob("*/*") if self.root.is_dir() else ():
            if path.is_dir() and store.is_version(path.name):
                origin = self._origin(path.parent.name, int(path.name))
                if origin is not None:
                    found.setdefault(path.parent.name, {})[int(path.name)] = origin
        return {model: dict(sorted(versions.items())) for model, versions in found.items()}

    def _origin(self, model: str, version: int) -> Stamp | None:
        try:
            return tuple(tuple(line) for line in json.loads(self._origin_path(model, version).read_bytes()))
        except (OSError, ValueError, TypeError):
            return None

    def _origin_path(self, model: str, version: int) -> Path:
        return self.root / model / f".{version}.origin"

    def _is_whole(self, model: str, version: int) -> bool:
        try:
            open_version(self.root, model, version)
        except ArtifactError:
            return False
        return True

    def _drop(self, model: str, version: int) -> None:
        place = store.version_path(self.root, model, version)
        if place.exists():  # first out of sight, whole, as it came
            with disk.staging(place.parent) as aside:
                place.rename(aside)
        self._origin_path(model, version).unlink(missing_ok=True)

    @contextmanager
    def _locked(self, name: str = ".lock") -> Iterator[None]:
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / name).open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # let go of when the file is closed, or its process is killed
            yield
