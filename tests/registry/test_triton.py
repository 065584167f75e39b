"""The shipped artifacts as a stock Triton would read them, by its own protobuf."""

from pathlib import Path

import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from registry import store
from registry.manifest import labels_of
from registry.triton import INPUT, OUTPUT, config, labels
from tests.support import RELEASE

FOLDERS = sorted(path.parent for path in RELEASE.glob(f"*/{store.CONFIG_FILE}"))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_shipped_model_loads_in_triton(folder: Path) -> None:
    """Its configuration parses, names the folder and the module's tensors, and the files that it asks for are there."""
    name = folder.name
    text = (RELEASE / name / store.CONFIG_FILE).read_text()
    told = text_format.Parse(text, model_config_pb2.ModelConfig())
    assert (told.name, told.backend, text) == (name, "pytorch", config(name))
    assert (RELEASE / name / store.LABELS_FILE).read_text() == labels(name)
    for version in store.versions(RELEASE, name):
        manifest = store.manifest(RELEASE, name, version)
        assert (manifest.input.name, manifest.output.name) == (INPUT, OUTPUT)
        assert (told.input[0].name, list(told.input[0].dims)) == (INPUT, manifest.input.shape)
        assert (told.output[0].name, list(told.output[0].dims)) == (OUTPUT, [len(labels_of(name))])
        assert (store.version_path(RELEASE, name, version) / store.MODEL_FILE).is_file()


def test_all_four_are_shipped() -> None:
    """Three that vote, and the gate."""
    assert [folder.name for folder in FOLDERS] == ["cnn", "gate", "lenet5", "mlp"]
