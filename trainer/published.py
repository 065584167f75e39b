"""What is published, and what it is worth when measured again."""

import re
import statistics
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from registry import store, torchscript, versions
from registry.address import Address, AddressError, Location, locate
from registry.bucket import Bucket
from registry.manifest import GATE, Manifest, Metrics
from registry.open import Artifact
from registry.rules import Floats, probabilities
from trainer import evaluate as figures
from trainer import models, recipe, sampling
from trainer.errors import TrainerError
from trainer.evaluate import Labels
from trainer.mnist import Mnist


def manifests(artifacts: Location) -> list[Manifest]:
    """The manifests of all versions, by model, oldest first.

    Raises:
        ArtifactError: if one cannot be read.
    """
    found = versions.at(artifacts)
    return [found.manifest(model, number) for model in (*found.models(), GATE) for number in found.numbers(model)]


def choose(artifacts: Location, wanted: list[str], *, every: bool = False) -> list[tuple[str, int]]:
    """Models and versions, from words like "cnn=3" or "cnn"; of every model the newest, or every version, without.

    Raises:
        TrainerError: if a word is no such thing, or nothing is published.
    """
    found = versions.at(artifacts)
    if every:
        chosen = [(model, number) for model in found.models() for number in found.numbers(model)]
    else:
        chosen = [version(artifacts, word) for word in wanted or found.models()]
    if not chosen:
        raise TrainerError(f"{artifacts} holds no version yet: python -m trainer train")
    return list(dict.fromkeys(chosen))


def version(artifacts: Location, word: str) -> tuple[str, int]:
    """A model and its version, from a word like "cnn=3", or "cnn" for its newest.

    Raises:
        TrainerError: if it is no such word, or no such model is published.
    """
    found = versions.at(artifacts)
    known = found.models()
    model, equals, number = word.partition("=")
    newest = max(found.numbers(model)) if model in known else None
    if newest is None:
        raise TrainerError(f"{word}: {artifacts} holds {', '.join(known) or 'no model'}")
    if equals and not store.is_version(number):
        raise TrainerError(f"{word}: give MODEL=VERSION, like {model}={newest}")
    return model, int(number) if equals else newest


def place(folder: Path) -> tuple[Path, str, int]:
    """Root, model and version of a version's folder.

    Raises:
        TrainerError: if it is no such folder.
    """
    folder = folder.resolve()
    if not store.is_version(folder.name) or not folder.is_dir():
        raise TrainerError(f"{folder}: not a version's folder, like artifacts/cnn/1")
    return folder.parent.parent, folder.parent.name, int(folder.name)


def find(version: str | Path) -> tuple[Location, str, int]:
    """Where versions lie, the model and the number of a version's folder or address.

    Raises:
        TrainerError: if it is neither.
    """
    try:
        found = locate(version)
    except AddressError as error:
        raise TrainerError(str(error)) from error
    if not isinstance(found, Address):
        return place(found)
    path, _, number = found.path.rpartition("/")
    prefix, _, model = path.rpartition("/")
    if not prefix or not store.is_version(number):
        raise TrainerError(f"{version}: not a version's address, like {found.scheme}://BUCKET/PREFIX/cnn/1")
    return Address(found.scheme, prefix), model, int(number)


def copied(version: str, temporary: Path) -> Path:
    """A version's folder as it is; of one at an address, a verified copy in a temporary folder.

    Raises:
        TrainerError: if it is no version's folder or address.
        ArtifactError: if there is no such version at the address, or it cannot be trusted.
    """
    root, model, number = find(version)
    if not isinstance(root, Address):
        return store.version_path(root, model, number)
    folder = store.version_path(temporary, model, number)
    Bucket(root).fetch(model, number, folder)
    return folder


@dataclass(frozen=True)
class Answers:
    """What one version says of some pictures, from its `model.pt`."""

    manifest: Manifest
    model: bytes
    chances: Floats  # calibrated probabilities [N, 10], a gate's [N, 2]
    metrics: Metrics

    @property
    def name(self) -> str:
        """Like "cnn 3"."""
        return f"{self.manifest.name} {self.manifest.version}"


def answers(artifacts: Location, model: str, number: int, pictures: Labels, truth: Labels) -> Answers:
    """Ask one version about pictures [N, 28, 28] with labels [N].

    Raises:
        ArtifactError: if it cannot be trusted.
    """
    artifact = versions.at(artifacts).open(model, number)
    logits = figures.logits(artifact.model, pictures)
    chances = probabilities(logits, artifact.manifest.temperature)
    return Answers(artifact.manifest, artifact.model, chances, figures.metrics(chances, truth))


def network(artifact: Artifact) -> nn.Module:
    """A published version as the folded network of its recipe, with the weights in its `model.pt`.

    Raises:
        TrainerError: if its recipe is none of this trainer's, or of another network than `model.pt`.
    """
    manifest = artifact.manifest
    where = f"{manifest.name} {manifest.version}: recipe"
    networks = recipe.check(manifest.recipe, where).models
    chosen = next((one for name, one in networks.items() if manifest.name in (name, GATE)), None)
    if chosen is None:
        raise TrainerError(f"{where}: has no model {manifest.name}")
    built = models.folded(chosen.architecture.build())
    weights = torchscript.weights(artifact.model)
    try:
        built.load_state_dict({name: weights[name] for name in built.state_dict()})
    except (KeyError, RuntimeError) as error:
        raise TrainerError(f"{where}: its network has other weights than {store.MODEL_FILE}") from error
    return built


def seen(manifest: Manifest, held: NDArray[np.int64], mnist: Mnist) -> int:
    """On how many of these training pictures, by index, a version was trained, if it was on the same data.

    Raises:
        TrainerError: if its recipe is none of this trainer's.
    """
    if not mnist.sha256.items() <= {file.name: file.sha256 for file in manifest.data}.items():
        return 0
    own = recipe.check(manifest.recipe, f"{manifest.name} {manifest.version}: recipe")
    return len(np.intersect1d(held, sampling.parts(mnist.training_labels, own)[0].numpy()))


def evaluate(asked: list[Answers], mnist: Mnist) -> list[tuple[str, Metrics]]:
    """Test figures of each version, then of each vote by each rule."""
    rows = [(one.name, one.metrics) for one in asked]
    together = rounds(asked)
    for number, voters in enumerate(together, 1):
        weights = np.array([one.manifest.weight for one in voters], np.float32)
        votes = figures.vote(np.stack([one.chances for one in voters]), weights, mnist.test_labels)
        which = f" {number}" if len(together) > 1 else ""
        rows += [(f"vote{which}: {rule}", metrics) for rule, metrics in votes.items()]
    return rows


def classes(asked: Answers, mnist: Mnist) -> dict[str, Any]:
    """Precision, recall and F1 of each label, and the confusion matrix [10, 10]: rows true, columns predicted."""
    counts = figures.confusion(asked.chances.argmax(1), mnist.test_labels)
    return {"classes": [asdict(one) for one in figures.by_class(counts)], "confusion": counts.tolist()}


def rounds(asked: list[Answers]) -> list[list[Answers]]:
    """Who votes together: of each model the first version given, then of each the second, and so on.

    None where one model alone is given, or one in more versions than another.
    """
    models = by_model(asked)
    if len(models) < 2 or len({len(versions) for versions in models.values()}) > 1:
        return []
    return [list(voters) for voters in zip(*models.values(), strict=True)]


def by_model(asked: list[Answers]) -> dict[str, list[Answers]]:
    """The versions of each model, in the order given."""
    models: dict[str, list[Answers]] = {}
    for one in asked:
        models.setdefault(one.manifest.name, []).append(one)
    return models


@dataclass(frozen=True)
class Spread:
    """The test accuracies of several versions of a model, or of several votes by a rule."""

    name: str
    count: int
    mean: float
    deviation: float  # of the sample, with n - 1
    least: float
    greatest: float


def spreads(rows: list[tuple[str, Metrics]]) -> list[Spread]:
    """What came out over several versions, of rows as `evaluate` names them; none for what is there once."""
    groups: dict[str, list[float]] = {}
    for name, metrics in rows:
        groups.setdefault(re.sub(r" \d+", "", name), []).append(metrics.accuracy)
    return [
        Spread(name, len(found), statistics.mean(found), statistics.stdev(found), min(found), max(found))
        for name, found in groups.items()
        if len(found) > 1
    ]
