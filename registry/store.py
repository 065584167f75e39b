"""Where a version lies: `<root>/<model>/<version>/`, Triton's model repository layout."""

from pathlib import Path

from registry.disk import STAGING as STAGING
from registry.errors import ArtifactError
from registry.manifest import GATE, Manifest, read_manifest

MODEL_FILE = "model.pt"
GRAPH_FILE = "model.onnx"
MANIFEST_FILE = "manifest.json"
GOLDEN_FILE = "golden.npz"
CONFIG_FILE = "config.pbtxt"
LABELS_FILE = "labels.txt"

Stamp = tuple[tuple[str | int, ...], ...]  # of each file: path, inode, bytes, nanoseconds of its last change


def models(root: Path) -> list[str]:
    """Names of the models that vote and have at least one version, sorted; the gate is none of them."""
    if not root.is_dir():
        return []
    return sorted(entry.name for entry in root.iterdir() if entry.name != GATE and versions(root, entry.name))


def versions(root: Path, model: str) -> list[int]:
    """Published versions of a model, oldest first; anything not named by a plain positive number is none."""
    folder = root / model
    if not folder.is_dir():
        return []
    return sorted(int(entry.name) for entry in folder.iterdir() if is_version(entry.name) and entry.is_dir())


def is_version(name: str) -> bool:
    """Whether a folder's name is a version's: decimal digits with no leading zero, as Triton reads it."""
    return name.isascii() and name.isdigit() and not name.startswith("0")


def latest(root: Path, model: str) -> int | None:
    """The newest published version of a model, or None."""
    return max(versions(root, model), default=None)


def version_path(root: Path, model: str, version: int) -> Path:
    """The folder of one version."""
    return root / model / str(version)


def stamp(root: Path, model: str, version: int) -> Stamp | None:
    """What is another once any file of a version is; None while it has no manifest, as one that is being copied."""
    folder = version_path(root, model, version)
    try:
        if not (folder / MANIFEST_FILE).is_file():
            return None
        return tuple(sorted(_line(folder, path) for path in folder.rglob("*") if not path.is_dir()))
    except FileNotFoundError:  # being removed
        return None
    except PermissionError:  # whoever opens it is told so
        return (_line(folder.parent, folder),)


def _line(folder: Path, path: Path) -> tuple[str, int, int, int]:
    found = path.lstat()
    # Not mtime, which stays where rights are mended, or where a copy keeps it.
    return path.relative_to(folder).as_posix(), found.st_ino, found.st_size, found.st_ctime_ns


def manifest(root: Path, model: str, version: int) -> Manifest:
    """The manifest of one version.

    Raises:
        ArtifactError: if it cannot be read, or speaks of another model or version than its folder does.
    """
    path = version_path(root, model, version) / MANIFEST_FILE
    found = read_manifest(path)
    check_place(found, model, version, path)
    return found


def check_place(manifest: Manifest, model: str, version: int, where: object) -> None:
    """Hold a manifest against where it lies.

    Raises:
        ArtifactError: if it speaks of another model or version.
    """
    if (manifest.name, manifest.version) != (model, version):
        raise ArtifactError(f"{where}: speaks of {manifest.name} {manifest.version}, but lies in {model}/{version}")
