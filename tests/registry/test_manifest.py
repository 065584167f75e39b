import json
from pathlib import Path
from typing import Any

import pytest

from registry.errors import ArtifactError
from registry.manifest import read_manifest
from tests.drafts import draft


def write(path: Path, **changes: Any) -> Path:
    values = json.loads(draft("mlp").model_dump_json())
    path.write_text(json.dumps({**values, **changes}))
    return path


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """A manifest survives its JSON."""
    manifest = draft("mlp", temperature=1.5)
    path = tmp_path / "manifest.json"
    path.write_text(manifest.model_dump_json())
    assert read_manifest(path) == manifest


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"format": "pickle"}, "format"),
        ({"sha256": "abc"}, "sha256"),
        ({"version": 0}, "version"),
        ({"temperature": 0}, "temperature"),
        ({"weight": float("inf")}, "weight"),
        ({"labels": ["a"]}, "the file"),
        ({"name": "gate"}, "the file"),
        ({"thresholds": {"balanced": 1.0, "strict": 2.0}}, "the file"),
        ({"surprise": 1}, "surprise"),
        ({"name": "../mlp"}, "name"),
    ],
)
def test_a_wrong_value_is_named(tmp_path: Path, changes: dict[str, Any], told: str) -> None:
    """A manifest that does not fit the schema is refused by the file and the field."""
    path = write(tmp_path / "manifest.json", **changes)
    with pytest.raises(ArtifactError, match=rf"manifest\.json: {told}: "):
        read_manifest(path)


def test_an_absent_and_a_broken_file_are_named(tmp_path: Path) -> None:
    """A manifest that is missing or no JSON is an ArtifactError with the path."""
    with pytest.raises(ArtifactError, match=r"manifest\.json: No such file"):
        read_manifest(tmp_path / "manifest.json")
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(ArtifactError, match=r"manifest\.json: the file: Invalid JSON"):
        read_manifest(tmp_path / "manifest.json")
