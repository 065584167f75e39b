import json
from pathlib import Path

import numpy as np
import pytest

from registry.golden import Golden
from registry.publish import publish
from service.engine.engine import open_engine
from service.models import Model, load_model
from service.settings import Settings
from tests.drafts import draft
from tests.support import Linear, golden_pictures, publish_model


def load(root: Path) -> Model:
    return load_model(root, "mlp", open_engine(Settings(device="cpu")), 8)


def test_the_newest_version_is_loaded(tmp_path: Path) -> None:
    """Of two versions the newer votes."""
    publish_model(tmp_path, "mlp", Linear(0))
    newer = publish_model(tmp_path, "mlp", Linear(1))
    model = load(tmp_path)
    assert model.manifest == newer
    assert model.predict is not None
    expected = golden_pictures().reshape(4, -1) @ Linear(1).weight.detach().numpy().T
    np.testing.assert_allclose(model.predict(golden_pictures()), expected, atol=1e-4)


def test_a_missing_model_says_where_it_was_looked_for(tmp_path: Path) -> None:
    """No version is a reason that names the folder, not an error."""
    model = load(tmp_path)
    assert model.predict is None
    assert f"no version of it in {tmp_path}" in (model.reason or "")


def test_a_corrupt_model_is_not_unpickled(tmp_path: Path) -> None:
    """Altered bytes fail their sha256 and are not loaded."""
    publish_model(tmp_path, "mlp", Linear(0))
    (tmp_path / "mlp" / "1" / "model.pt").write_bytes(b"altered")
    assert "sha256" in (load(tmp_path).reason or "")


def test_a_module_that_cannot_be_loaded_is_a_reason(tmp_path: Path) -> None:
    """Bytes that match their sha256 and are no TorchScript are refused in one line."""
    golden = Golden(golden_pictures(), np.zeros((4, 10), dtype=np.float32))
    publish(tmp_path, draft("mlp"), {"model.pt": b"not a module", "golden.npz": golden.dump()})
    reason = load(tmp_path).reason or ""
    assert reason.startswith("model.pt cannot be loaded: ")
    assert "\n" not in reason


def test_a_model_that_fails_its_golden_digits_does_not_vote(tmp_path: Path) -> None:
    """Golden logits that the module does not give keep it out, whatever its hash says."""
    from registry import torchscript

    golden = Golden(golden_pictures(), np.ones((4, 10), dtype=np.float32))
    publish(tmp_path, draft("mlp"), {"model.pt": torchscript.dump(Linear(0)), "golden.npz": golden.dump()})
    assert "golden digits" in (load(tmp_path).reason or "")


@pytest.mark.parametrize("content", ["", "{}", "[]"])
def test_a_broken_manifest_is_a_reason(tmp_path: Path, content: str) -> None:
    """An empty or foreign manifest keeps the model out and is named."""
    publish_model(tmp_path, "mlp", Linear(0))
    path = tmp_path / "mlp" / "1" / "manifest.json"
    path.write_text(content)
    assert "manifest.json" in (load(tmp_path).reason or "")


def test_a_manifest_of_another_format_is_refused(tmp_path: Path) -> None:
    """A format that this version does not know is a reason, not a guess."""
    publish_model(tmp_path, "mlp", Linear(0))
    path = tmp_path / "mlp" / "1" / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": "executorch"}))
    assert "format" in (load(tmp_path).reason or "")
