"""Opening a version: nothing is unpickled before its sha256, and that of all beside it, is the manifest's."""

import hashlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from registry import store
from registry.errors import ArtifactError
from registry.files import names, read_file
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
        ArtifactError: if a file is missing, is a link, is not listed, or has another sha256 than the manifest says.
    """
    folder = store.version_path(root, model, version)
    if not folder.is_dir():
        known = ", ".join(map(str, store.versions(root, model))) or "none"
        raise ArtifactError(f"{folder}: no such version; published are: {known}")
    if folder.resolve() != root.resolve() / model / str(version):
        raise ArtifactError(f"{folder}: leads out of {root}, to {folder.resolve()}; put the version there itself")
    manifest = store.manifest(root, model, version)
    _nothing_else(folder, manifest)
    if store.GOLDEN_FILE not in manifest.files:
        raise ArtifactError(f"{folder / store.MANIFEST_FILE}: lists no {store.GOLDEN_FILE}")
    wanted = (store.MODEL_FILE, store.GOLDEN_FILE, store.GRAPH_FILE)
    content: dict[str, bytes] = {}
    for name, sha256 in [(store.MODEL_FILE, manifest.sha256), *manifest.files.items()]:
        found = _verified(folder / name, sha256)
        if name in wanted:
            content[name] = found
    golden = Golden.load(content[store.GOLDEN_FILE])
    if golden.logits.shape[1:] != tuple(manifest.output.shape):
        raise ArtifactError(f"{folder / store.GOLDEN_FILE}: has logits {golden.logits.shape}, not of its labels")
    return Artifact(manifest, content[store.MODEL_FILE], golden, content.get(store.GRAPH_FILE))


def _nothing_else(folder: Path, manifest: Manifest) -> None:
    # A graph that is not listed yet is being added, or its adding was killed: it is never read.
    known = {store.MANIFEST_FILE, store.MODEL_FILE, store.GRAPH_FILE, *manifest.files}
    for name in names(folder):
        if (folder / name).is_symlink():
            raise ArtifactError(f"{folder / name}: is a link; put the file there itself")
        if name not in known and not PurePosixPath(name).name.startswith(store.STAGING):
            raise ArtifactError(f"{folder / name}: is not in the manifest; remove it, or publish it with a new version")


def _verified(path: Path, sha256: str) -> bytes:
    content = read_file(path)
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise ArtifactError(f"{path}: sha256 is {found[:12]}…, the manifest says {sha256[:12]}…")
    return content
