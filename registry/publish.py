"""Publishing: a version is written beside its place, flushed to the disk, then renamed into place.

A reader, or a kill at any moment, finds either no new version or a whole one.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from registry import disk, store, triton
from registry.files import is_within
from registry.manifest import Manifest


def publish(root: Path, draft: Manifest, files: Mapping[str, bytes]) -> Manifest:
    """Publish files (by path within the version; `model.pt` among them) as the next version of `draft.name`.

    The draft's version and hashes are filled in here. Of two trainers that publish at once each gets a version.

    Raises:
        ValueError: if `model.pt` is missing or a file's path leads out of the version.
        OSError: if the disk is full or the folder cannot be written; nothing is left of the new version then.
    """
    completed = complete(draft, files)
    folder = root / draft.name
    folder.mkdir(parents=True, exist_ok=True)
    disk.remove_stale(folder, f"{store.STAGING}*")
    for name, content in triton.files(draft.name).items():
        disk.replace(folder / name, content)
    with disk.staging(folder) as staged:
        for name, content in files.items():
            disk.write(staged / name, content)
        while True:
            version = (store.latest(root, draft.name) or 0) + 1
            manifest = completed.model_copy(update={"version": version})
            disk.write(staged / store.MANIFEST_FILE, dump(manifest))
            if disk.settle(staged, folder / str(version)):
                return manifest  # else another trainer took this number since: take the next


def complete(draft: Manifest, files: Mapping[str, bytes]) -> Manifest:
    """A draft with the sha256 of each of its files.

    Raises:
        ValueError: if `model.pt` is missing or a file's path leads out of the version.
    """
    if store.MODEL_FILE not in files:
        raise ValueError(f"a version needs {store.MODEL_FILE}; given are {', '.join(files)}")
    for name in files:
        if name == store.MANIFEST_FILE or not is_within(name):
            raise ValueError(f"{name}: not a file within a version")
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())}
    return draft.model_copy(update={"sha256": digests.pop(store.MODEL_FILE), "files": digests})


def add(root: Path, model: str, version: int, name: str, content: bytes) -> Manifest:
    """Add a file to a version that was published without it: the file first, then the manifest that lists it.

    Raises:
        ValueError: if the version lists such a file with other content: the two could not be replaced at once.
        ArtifactError: if the manifest cannot be read.
        OSError: if the disk is full or the folder cannot be written.
    """
    folder = store.version_path(root, model, version)
    before = store.manifest(root, model, version)
    digest = hashlib.sha256(content).hexdigest()
    if before.files.get(name, digest) != digest:
        raise ValueError(f"{folder / name}: published with other content, which stays; publish a new version")
    files = dict(sorted({**before.files, name: digest}.items()))
    manifest = before.model_copy(update={"files": files})
    disk.replace(folder / name, content)
    disk.replace(folder / store.MANIFEST_FILE, dump(manifest, exclude_unset=True))  # an older one has fewer fields
    disk.sync(folder)
    return manifest


def dump(manifest: Manifest, *, exclude_unset: bool = False) -> bytes:
    """The bytes of `manifest.json`."""
    return manifest.model_dump_json(indent=2, exclude_unset=exclude_unset).encode() + b"\n"
