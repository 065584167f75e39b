from pathlib import Path

import numpy as np
import pytest

from registry.errors import ArtifactError
from registry.golden import Golden
from registry.open import open_version
from registry.publish import publish
from tests.drafts import draft
from tests.support import Linear, golden_pictures, publish_model


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
