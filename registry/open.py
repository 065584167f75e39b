"""Opening a version: nothing is unpickled before its sha256 is the manifest's."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from registry import store
from registry.errors import ArtifactError
from registry.golden import Golden
from registry.manifest import Manifest


@dataclass(frozen=True)
class Artifact:
    """A verified version: its manifest, the bytes of its module, its golden digits and, of most, its ONNX graph."""

    manifest: Manifest
    model: bytes
    golden: Golden
    graph: bytes | None = None


def open_version(root: Path, model: str, version: int) -> Artifact:
    """Read one version and verify it against its manifest.

    Raises:
        ArtifactError: if a file is missing, has another sha256 than the manifest says.
    """
    folder = store.version_path(root, model, version)
    if not folder.is_dir():
        known = ", ".join(map(str, store.versions(root, model))) or "none"
        raise ArtifactError(f"{folder}: no such version; published are: {known}")
    manifest = store.manifest(root, model, version)
    content = _verified(folder / store.MODEL_FILE, manifest.sha256)
    if store.GOLDEN_FILE not in manifest.files:
        raise ArtifactError(f"{folder / store.MANIFEST_FILE}: lists no {store.GOLDEN_FILE}")
    golden = Golden.load(_verified(folder / store.GOLDEN_FILE, manifest.files[store.GOLDEN_FILE]))
    if golden.logits.shape[1:] != tuple(manifest.output.shape):
        raise ArtifactError(f"{folder / store.GOLDEN_FILE}: has logits {golden.logits.shape}, not of its labels")
    listed = manifest.files.get(store.GRAPH_FILE)
    graph = _verified(folder / store.GRAPH_FILE, listed) if listed else None
    return Artifact(manifest, content, golden, graph)


def _verified(path: Path, sha256: str) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ArtifactError(f"{path}: {error.strerror or error}") from error
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise ArtifactError(f"{path}: sha256 is {found[:12]}…, the manifest says {sha256[:12]}…")
    return content
