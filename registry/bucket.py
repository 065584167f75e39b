"""Versions on an object store, which can rename nothing: the manifest is put last, and there is no version without it.

`<model>/<version>/` holds what it would in a folder. A trainer has a number once it has put a claim there that the
store would refuse where one is; so of two, each gets a number of its own.
"""

import hashlib
import uuid
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from registry import disk, store, triton
from registry.address import Address
from registry.errors import ArtifactError
from registry.manifest import LARGEST, Manifest, parse_manifest
from registry.objects import Entry, Objects, StoreError
from registry.publish import complete, dump
from registry.store import Stamp

CLAIM = f"{store.STAGING}claim"
_TRIES = 3  # to make an object, where the store refuses for another write that came to nothing

Listing = dict[str, dict[int, Stamp]]  # of each model: of each version what is another once any of its objects is


class Bucket:
    """The versions below an address."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.objects = Objects(address)

    def listing(self) -> Listing:
        """Every version that has a manifest.

        Raises:
            StoreError: if the store does not answer, or has no such bucket.
        """
        return {
            model: {
                version: tuple((name, entry.size, entry.tag) for name, entry in sorted(files.items()) if name != CLAIM)
                for version, files in sorted(versions.items())
                if store.MANIFEST_FILE in files
            }
            for model, versions in _by_version(self.objects.list()).items()
        }

    def manifest(self, model: str, version: int) -> Manifest:
        """The manifest of one version.

        Raises:
            ArtifactError: if there is none, or it speaks of another version.
            StoreError: if the store does not answer.
        """
        return self._manifest(model, version)[1]

    def fetch(self, model: str, version: int, folder: Path) -> None:
        """Write what a version's manifest names, each object once it is verified, and then the manifest.

        Raises:
            ArtifactError: if an object is absent, or has another sha256 than the manifest says.
            StoreError: if the store does not answer.
            OSError: if the folder cannot be written.
        """
        content, manifest = self._manifest(model, version)
        for name, sha256 in [(store.MODEL_FILE, manifest.sha256), *manifest.files.items()]:
            disk.write(folder / name, self._verified(f"{model}/{version}/{name}", sha256))
        disk.write(folder / store.MANIFEST_FILE, content)

    def publish(self, draft: Manifest, files: Mapping[str, bytes]) -> Manifest:
        """Publish files as the next version of `draft.name`, as `registry.publish.publish` does in a folder.

        Raises:
            ValueError: if `model.pt` is missing or a file's path leads out of the version.
            StoreError: if the store does not answer or allows no writing; there is no new version then.
        """
        manifest = complete(draft, files)
        there = _by_version(self.objects.list()).get(draft.name, {})
        for name, content in triton.files(draft.name).items():
            self.objects.put(f"{draft.name}/{name}", content)
        if any(CLAIM in objects for objects in there.values()):
            # By the store's own clock, as of what was just written there: this machine's may be wrong.
            self._clear(draft.name, there, now=self.objects.written(f"{draft.name}/{store.LABELS_FILE}"))
        version = max(there, default=0)
        while True:
            version += 1
            numbered = manifest.model_copy(update={"version": version})
            if self._publish(numbered, files):
                return numbered

    def check_writable(self) -> None:
        """Put an object there and remove it.

        Raises:
            StoreError: if that cannot be done.
        """
        probe = f"{store.STAGING}{uuid.uuid4().hex}"
        self.objects.put(probe, b"")
        self.objects.remove(probe)

    def _publish(self, manifest: Manifest, files: Mapping[str, bytes]) -> bool:
        """Whether it got the number; else another trainer has it."""
        begin = f"{manifest.name}/{manifest.version}"
        claim, last, token = f"{begin}/{CLAIM}", f"{begin}/{store.MANIFEST_FILE}", uuid.uuid4().hex.encode()
        if not self._create(claim, token):
            return False
        try:
            if self._read(last) is not None:  # one that was at work as the versions were listed has published since
                return False
            for name, content in files.items():
                self.objects.put(f"{begin}/{name}", content)
            # Whoever took longer than an hour may have been cleared away, and the number be another's.
            return self._read(claim) == token and self._create(last, dump(manifest))
        except BaseException:
            with suppress(StoreError):  # whose claim tells the next publish what is left
                if self._read(claim) == token:
                    # First the manifest, which may be there though its answer was lost.
                    for name in (store.MANIFEST_FILE, *files):
                        self.objects.remove(f"{begin}/{name}")
            raise
        finally:
            with suppress(StoreError):
                if self._read(claim) == token:
                    self.objects.remove(claim)

    def _create(self, key: str, content: bytes) -> bool:
        """Whether the object is this one, which nobody else put there before."""
        for _ in range(_TRIES):
            try:
                self.objects.put(key, content, create=True)
            except FileExistsError:
                found = self._read(key)
                if found is not None:
                    return found == content  # an SDK that asked again was refused for its own first try
            else:
                return True
        return False

    def _clear(self, model: str, there: Mapping[int, Mapping[str, Entry]], now: float) -> None:
        """Remove what publishes left that were killed an hour ago: claims, and objects where no manifest came."""
        for version, files in there.items():
            if CLAIM not in files or now - files[CLAIM].written <= disk.STALE_SECONDS:
                continue
            for name in files if store.MANIFEST_FILE not in files else ():
                if name != CLAIM:
                    self.objects.remove(f"{model}/{version}/{name}")
            self.objects.remove(f"{model}/{version}/{CLAIM}")

    def _read(self, key: str) -> bytes | None:
        try:
            return self.objects.get(key)
        except FileNotFoundError:
            return None

    def _manifest(self, model: str, version: int) -> tuple[bytes, Manifest]:
        where = self.address.below(model, version, store.MANIFEST_FILE)
        content = self._read(f"{model}/{version}/{store.MANIFEST_FILE}")
        if content is None:
            raise ArtifactError(f"{where}: there is none, so there is no such version")
        if len(content) > LARGEST:
            raise ArtifactError(f"{where}: is larger than {LARGEST:,} bytes")
        manifest = parse_manifest(content, where)
        store.check_place(manifest, model, version, where)
        return content, manifest

    def _verified(self, key: str, sha256: str) -> bytes:
        content, where = self._read(key), self.address.below(key)
        if content is None:
            raise ArtifactError(f"{where}: the manifest names it, but there is none")
        found = hashlib.sha256(content).hexdigest()
        if found != sha256:
            raise ArtifactError(f"{where}: sha256 is {found[:12]}…, the manifest says {sha256[:12]}…")
        return content


def _by_version(objects: Mapping[str, Entry]) -> dict[str, dict[int, dict[str, Entry]]]:
    """Objects of each model's versions by their names in it; others are strays, which nobody reads."""
    found: dict[str, dict[int, dict[str, Entry]]] = {}
    for key, entry in objects.items():
        model, _, rest = key.partition("/")
        version, _, name = rest.partition("/")
        if name and store.is_version(version):
            found.setdefault(model, {}).setdefault(int(version), {})[name] = entry
    return found
