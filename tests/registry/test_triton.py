"""The shipped artifacts as a stock Triton would read them, by its own protobuf."""

from pathlib import Path

import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from registry import store
from registry.manifest import labels_of
from registry.triton import INPUT, OUTPUT, config, labels
from tests.support import ROOT

ARTIFACTS = ROOT / "artifacts"
FOLDERS = sorted(path.parent for path in ARTIFACTS.glob(f"*/{store.CONFIG_FILE}"))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_shipped_model_loads_in_triton(folder: Path) -> None:
    """Its configuration parses, names the folder and the module's tensors, and the files that it asks for are there."""
    name = folder.name
    text = (ARTIFACTS / name / store.CONFIG_FILE).read_text()
    told = text_format.Parse(text, model_config_pb2.ModelConfig())
    assert (told.name, told.backend, text) == (name, "pytorch", config(name))
    assert (ARTIFACTS / name / store.LABELS_FILE).read_text() == labels(name)
    for version in store.versions(ARTIFACTS, name):
        manifest = store.manifest(ARTIFACTS, name, version)
        assert (manifest.input.name, manifest.output.name) == (INPUT, OUTPUT)
        assert (told.input[0].name, list(told.input[0].dims)) == (INPUT, manifest.input.shape)
        assert (told.output[0].name, list(told.output[0].dims)) == (OUTPUT, [len(labels_of(name))])
        assert (store.version_path(ARTIFACTS, name, version) / store.MODEL_FILE).is_file()


def test_all_four_are_shipped() -> None:
    """Three that vote, and the gate."""
    assert [folder.name for folder in FOLDERS] == ["cnn", "gate", "lenet5", "mlp"]
