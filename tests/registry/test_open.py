import json
import os
from pathlib import Path

import numpy as np
import pytest

from registry.errors import ArtifactError
from registry.golden import Golden
from registry.open import open_version
from registry.publish import publish
from tests.drafts import draft
from tests.support import Linear, golden_pictures, publish_model

REPORT = "report/metrics.json"


def published(root: Path) -> Path:
    """The folder of a version with a report."""
    golden = Golden(golden_pictures(), np.zeros((4, 10), np.float32))
    publish(root, draft("mlp"), {"model.pt": b"module", "golden.npz": golden.dump(), REPORT: b"{}"})
    return root / "mlp" / "1"


def rewrite(folder: Path, **files: str | None) -> None:
    """Change what a version's manifest lists; None takes a file off."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    listed = {**manifest["files"], **files}
    path.write_text(json.dumps({**manifest, "files": {name: each for name, each in listed.items() if each}}))


def test_an_untouched_version_opens(tmp_path: Path) -> None:
    """What was published is opened with its manifest and golden digits."""
    manifest = publish_model(tmp_path, "mlp", Linear(0))
    artifact = open_version(tmp_path, "mlp", 1)
    assert artifact.manifest == manifest
    assert artifact.golden.pictures.shape == (4, 1, 28, 28)


@pytest.mark.parametrize("name", ["model.pt", "golden.npz"])
def test_a_flipped_bit_is_found(tmp_path: Path, name: str) -> None:
    """A changed file is refused by its name before it is unpickled."""
    publish_model(tmp_path, "mlp", Linear(0))
    path = tmp_path / "mlp" / "1" / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ArtifactError, match=rf"{name}: sha256 is"):
        open_version(tmp_path, "mlp", 1)


@pytest.mark.parametrize("name", ["model.pt", "golden.npz", "manifest.json"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    """A version without one of its files is refused by the file's name."""
    publish_model(tmp_path, "mlp", Linear(0))
    (tmp_path / "mlp" / "1" / name).unlink()
    with pytest.raises(ArtifactError, match=rf"{name}: No such file"):
        open_version(tmp_path, "mlp", 1)


def test_an_absent_version_says_what_there_is(tmp_path: Path) -> None:
    """Asking for a version that is not there names those that are."""
    publish_model(tmp_path, "mlp", Linear(0))
    with pytest.raises(ArtifactError, match="no such version; published are: 1"):
        open_version(tmp_path, "mlp", 3)


def test_golden_logits_of_other_labels_are_refused(tmp_path: Path) -> None:
    """A gate's golden logits under a voter's manifest are an error, as two are not ten."""
    golden = Golden(golden_pictures(), np.zeros((4, 2), np.float32))
    publish(tmp_path, draft("mlp"), {"model.pt": b"", "golden.npz": golden.dump()})
    with pytest.raises(ArtifactError, match="not of its labels"):
        open_version(tmp_path, "mlp", 1)


@pytest.mark.parametrize("name", ["extra.py", "report/extra.png", "code/__init__.py", ".hidden"])
def test_a_file_that_the_manifest_does_not_list_is_refused(tmp_path: Path, name: str) -> None:
    """Wherever it lies in the version, by its name, with what to do."""
    folder = published(tmp_path)
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(b"")
    with pytest.raises(ArtifactError, match=rf"{name}: is not in the manifest; remove it"):
        open_version(tmp_path, "mlp", 1)


@pytest.mark.parametrize("name", [".staging-1234", "model.onnx"])
def test_what_is_being_added_is_passed_over(tmp_path: Path, name: str) -> None:
    """A file that a writer has not listed yet, or was killed before it did, is neither refused nor read."""
    folder = published(tmp_path)
    (folder / name).write_bytes(b"half")
    assert open_version(tmp_path, "mlp", 1).graph is None


@pytest.mark.parametrize("name", ["model.pt", "golden.npz", "manifest.json", "report", REPORT])
def test_a_link_is_refused(tmp_path: Path, name: str) -> None:
    """Also where what it leads to has the sha256 that the manifest says."""
    path = published(tmp_path / "root") / name
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ArtifactError, match=rf"{name}: is a link"):
        open_version(tmp_path / "root", "mlp", 1)


@pytest.mark.parametrize("name", ["mlp", "mlp/1"])
def test_a_folder_that_lies_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    """A link in place of a version's or a model's folder leads out; the artifacts' own folder may be one."""
    published(tmp_path / "root")
    (tmp_path / "link").symlink_to(tmp_path / "root")
    assert open_version(tmp_path / "link", "mlp", 1).model == b"module"
    (tmp_path / "root" / name).rename(tmp_path / "elsewhere")
    (tmp_path / "root" / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ArtifactError, match="leads out of"):
        open_version(tmp_path / "root", "mlp", 1)


@pytest.mark.parametrize(
    "name", ["../golden.npz", "/etc/passwd", "report/../../x", "report//x", "./x", "", ".", "a\\..\\b", "nul\0"]
)
def test_a_path_that_leads_out_of_the_version_is_refused(tmp_path: Path, name: str) -> None:
    """By the manifest itself, before any of its files is opened."""
    folder = published(tmp_path)
    rewrite(folder, **{name: "0" * 64})
    with pytest.raises(ArtifactError, match="is not the path of a file within the version"):
        open_version(tmp_path, "mlp", 1)


@pytest.mark.parametrize("name", [REPORT, "model.pt", "golden.npz", "model.onnx"])
def test_a_manifest_that_lies_about_a_file_is_refused(tmp_path: Path, name: str) -> None:
    """Each file that it lists is hashed, the report's too, and model.pt also where it is listed twice."""
    folder = published(tmp_path)
    (folder / "model.onnx").write_bytes(b"graph")
    rewrite(folder, **{name: "0" * 64})
    with pytest.raises(ArtifactError, match=rf"{name}: sha256 is .*, the manifest says 000000000000"):
        open_version(tmp_path, "mlp", 1)


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    """What is no regular file is not read: it may never end."""
    path = published(tmp_path) / "model.pt"
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(ArtifactError, match=r"model.pt: is not a regular file"):
        open_version(tmp_path, "mlp", 1)


def test_a_manifest_of_megabytes_is_not_read(tmp_path: Path) -> None:
    """It is refused by its size."""
    path = published(tmp_path) / "manifest.json"
    path.write_bytes(path.read_bytes() + b" " * 2**20)
    with pytest.raises(ArtifactError, match=r"manifest.json: is larger than 1,048,576 bytes"):
        open_version(tmp_path, "mlp", 1)
