"""Publishing: a version is written beside its place, flushed to the disk, then renamed into place.

A reader, or a kill at any moment, finds either no new version or a whole one.
"""

import hashlib
import os
import shutil
import uuid
from pathlib import Path

from registry import disk, store, triton
from registry.files import is_within
from registry.manifest import Manifest


def publish(root: Path, draft: Manifest, files: dict[str, bytes]) -> Manifest:
    """Publish files (by path within the version; `model.pt` among them) as the next version of `draft.name`.

    The draft's version and hashes are filled in here. Of two trainers that publish at once each gets a version.

    Raises:
        ValueError: if `model.pt` is missing or a file's path leads out of the version.
        OSError: if the disk is full or the folder cannot be written; nothing is left of the new version then.
    """
    if store.MODEL_FILE not in files:
        raise ValueError(f"a version needs {store.MODEL_FILE}; given are {', '.join(files)}")
    for name in files:
        if name == store.MANIFEST_FILE or not is_within(name):
            raise ValueError(f"{name}: not a file within a version")
    folder = root / draft.name
    folder.mkdir(parents=True, exist_ok=True)
    disk.remove_stale(folder, f"{store.STAGING}*")
    _replace(folder / store.CONFIG_FILE, triton.config(draft.name).encode())
    _replace(folder / store.LABELS_FILE, triton.labels(draft.name).encode())
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())}
    model_digest = digests.pop(store.MODEL_FILE)
    staging = folder / f"{store.STAGING}{uuid.uuid4().hex}"
    try:
        for name, content in files.items():
            disk.write(staging / name, content)
        while True:
            version = (store.latest(root, draft.name) or 0) + 1
            manifest = draft.model_copy(update={"version": version, "sha256": model_digest, "files": digests})
            disk.write(staging / store.MANIFEST_FILE, _dump(manifest))
            _sync_folders(staging)
            try:
                staging.rename(folder / str(version))
            except OSError:
                if not (folder / str(version)).exists():
                    raise
                continue  # another trainer took this number since: take the next
            _sync(folder)
            return manifest
    finally:
        shutil.rmtree(staging, ignore_errors=True)


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
    _replace(folder / name, content)
    _replace(folder / store.MANIFEST_FILE, _dump(manifest, exclude_unset=True))  # an older one has fewer fields
    _sync(folder)
    return manifest


def _dump(manifest: Manifest, *, exclude_unset: bool = False) -> bytes:
    return manifest.model_dump_json(indent=2, exclude_unset=exclude_unset).encode() + b"\n"


def _replace(path: Path, content: bytes) -> None:
    if path.exists() and path.read_bytes() == content:
        return
    beside = path.with_name(f"{store.STAGING}{uuid.uuid4().hex}")
    try:
        disk.write(beside, content)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_folders(folder: Path) -> None:
    for path in [folder, *(path for path in folder.rglob("*") if path.is_dir())]:
        _sync(path)
