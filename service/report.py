"""What is known about each published version, as the page of the models shows it: read from its manifest and report."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from registry import store
from registry.errors import ArtifactError
from registry.manifest import Manifest
from service.figures import Epoch, Figures, Vote, read_figures

_FOLDER = "report/"
_SHOWN = 4  # versions of a model, the newest: older ones are named only


@dataclass(frozen=True)
class Curve:
    """A loss over epochs as points of an SVG's polyline in 300 by 100, on a log scale shared with its companion."""

    training: str
    validation: str
    highest: float
    lowest: float
    epochs: int
    accuracy: float


@dataclass(frozen=True)
class Version:
    """One version: its manifest, its report's figures and pictures, or why it cannot be read."""

    model: str
    version: int
    served: bool
    manifest: Manifest | None = None
    reason: str | None = None
    size: int = 0
    figures: Figures = field(default_factory=Figures)
    pictures: tuple[str, ...] = ()
    curve: Curve | None = None

    @property
    def created(self) -> float:
        """When it was made, in seconds since 1970."""
        return self.manifest.created.timestamp() if self.manifest else 0.0

    @property
    def wrong(self) -> int:
        """How many test digits it misread."""
        test = self.manifest.metrics.get("test") if self.manifest else None
        return round((1 - test.accuracy) * test.examples) if test else 0


Published = tuple[str, list[Version], list[int]]  # of a model: those that are shown, and the numbers of older ones


def read_published(root: Path, served: Mapping[str, int | None]) -> list[Published]:
    """What is shown of each model, by its name and the version that is served."""
    return [(name, *read_versions(root, name, version)) for name, version in served.items()]


def read_versions(root: Path, model: str, served: int | None) -> tuple[list[Version], list[int]]:
    """The newest versions of a model, newest first, and the numbers of those left out; what is served is never."""
    numbers = store.versions(root, model)[::-1]
    shown = [number for place, number in enumerate(numbers) if place < _SHOWN or number == served]
    versions = [_version(root, model, number, number == served) for number in shown]
    return versions, [number for number in numbers if number not in shown]


def vote_of(versions: Sequence[Version]) -> Vote | None:
    """How the vote did on the test digits as the newest of these versions that tells of one was published."""
    newest = sorted(versions, key=lambda each: each.created, reverse=True)
    return next((each.figures.vote for each in newest if each.figures.vote), None)


def read_picture(root: Path, model: str, version: int, name: str) -> bytes | None:
    """A picture of a version's report; None unless the version's manifest lists it, and it is there."""
    path = _picture_path(root, model, version, name)
    return path.read_bytes() if path and path.is_file() else None


def _picture_path(root: Path, model: str, version: int, name: str) -> Path | None:
    if version not in store.versions(root, model):
        return None
    try:
        manifest = store.manifest(root, model, version)
    except ArtifactError:
        return None
    path = store.version_path(root, model, version) / _FOLDER / name
    return path if name in _pictures(manifest) and path.resolve().is_relative_to(root.resolve()) else None


def _version(root: Path, model: str, version: int, served: bool) -> Version:
    folder = store.version_path(root, model, version)
    try:
        manifest = store.manifest(root, model, version)
        size = (folder / store.MODEL_FILE).stat().st_size
    except (ArtifactError, OSError) as error:
        return Version(model, version, served, reason=str(error))
    figures = read_figures(folder / _FOLDER / "metrics.json")
    return Version(
        model,
        version,
        served,
        manifest,
        size=size,
        figures=figures,
        pictures=_pictures(manifest),
        curve=_curve(figures.history or []),
    )


def _pictures(manifest: Manifest) -> tuple[str, ...]:
    listed = sorted(path.removeprefix(_FOLDER) for path in manifest.files if path.startswith(_FOLDER))
    return tuple(name for name in listed if name.endswith(".png") and "/" not in name)


def _curve(history: Sequence[Epoch]) -> Curve | None:
    training, validation = [epoch.loss for epoch in history], [epoch.validation_loss for epoch in history]
    positive = [loss for loss in (*training, *validation) if loss > 0]
    if len(history) < 2 or not positive:
        return None
    highest, lowest = max(positive), min(positive)
    return Curve(
        _points(training, highest, lowest),
        _points(validation, highest, lowest),
        highest,
        lowest,
        len(history),
        history[-1].validation_accuracy,
    )


def _points(losses: Sequence[float], highest: float, lowest: float) -> str:
    span = math.log(highest / lowest) or 1.0
    return " ".join(
        f"{300 * place / (len(losses) - 1):.1f},{100 * math.log(highest / max(loss, lowest)) / span:.1f}"
        for place, loss in enumerate(losses)
    )
