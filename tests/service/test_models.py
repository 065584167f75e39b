import json
from pathlib import Path

import numpy as np
import pytest

from registry import torchscript
from registry.golden import Golden
from registry.manifest import Manifest
from registry.publish import publish
from service.engine.engine import Predict, open_engine
from service.models import LoadError, load_version
from service.settings import Settings
from tests.drafts import draft
from tests.support import Linear, golden_pictures, publish_model


def load(root: Path, version: int = 1) -> tuple[Manifest, Predict]:
    return load_version(root, "mlp", version, open_engine(Settings(device="cpu")), 8)


def test_a_version_is_loaded_with_its_manifest(tmp_path: Path) -> None:
    """Of two versions the one that is asked for gives its logits."""
    publish_model(tmp_path, "mlp", Linear(0))
    newer = publish_model(tmp_path, "mlp", Linear(1))
    manifest, predict = load(tmp_path, 2)
    assert manifest == newer
    expected = golden_pictures().reshape(4, -1) @ Linear(1).weight.detach().numpy().T
    np.testing.assert_allclose(predict(golden_pictures()), expected, atol=1e-4)


def test_a_corrupt_model_is_not_unpickled(tmp_path: Path) -> None:
    """Altered bytes fail their sha256 and are not loaded."""
    publish_model(tmp_path, "mlp", Linear(0))
    (tmp_path / "mlp" / "1" / "model.pt").write_bytes(b"altered")
    with pytest.raises(LoadError, match="sha256") as error:
        load(tmp_path)
    assert error.value.step == "verify"


def test_a_module_that_cannot_be_loaded_is_a_reason(tmp_path: Path) -> None:
    """Bytes that match their sha256 and are no TorchScript are refused in one line."""
    golden = Golden(golden_pictures(), np.zeros((4, 10), dtype=np.float32))
    publish(tmp_path, draft("mlp"), {"model.pt": b"not a module", "golden.npz": golden.dump()})
    with pytest.raises(LoadError, match=r"^model.pt cannot be loaded: .*$") as error:
        load(tmp_path)
    assert error.value.step == "load"


def test_a_model_that_fails_its_golden_digits_does_not_vote(tmp_path: Path) -> None:
    """Golden logits that the module does not give keep it out, whatever its hash says."""
    golden = Golden(golden_pictures(), np.ones((4, 10), dtype=np.float32))
    publish(tmp_path, draft("mlp"), {"model.pt": torchscript.dump(Linear(0)), "golden.npz": golden.dump()})
    with pytest.raises(LoadError, match="golden digits") as error:
        load(tmp_path)
    assert error.value.step == "golden"


@pytest.mark.parametrize("content", ["", "{}", "[]"])
def test_a_broken_manifest_is_a_reason(tmp_path: Path, content: str) -> None:
    """An empty or foreign manifest keeps the model out and is named."""
    publish_model(tmp_path, "mlp", Linear(0))
    (tmp_path / "mlp" / "1" / "manifest.json").write_text(content)
    with pytest.raises(LoadError, match=r"manifest\.json"):
        load(tmp_path)


def test_a_manifest_of_another_format_is_refused(tmp_path: Path) -> None:
    """A format that this version does not know is a reason, not a guess."""
    publish_model(tmp_path, "mlp", Linear(0))
    path = tmp_path / "mlp" / "1" / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": "executorch"}))
    with pytest.raises(LoadError, match="format"):
        load(tmp_path)
