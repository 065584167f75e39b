"""New versions for a service that runs: copies of those that there are, and ones that must never answer."""

import itertools
import random
import shutil
from collections.abc import Callable
from pathlib import Path

from registry import store
from registry.manifest import GATE, Manifest
from registry.publish import publish

_BAD: dict[str, Callable[[Path], object]] = {
    "a model cut short": lambda version: _cut(version / store.MODEL_FILE),
    "a model of noise": lambda version: (version / store.MODEL_FILE).write_bytes(bytes(range(256)) * 100),
    "no manifest": lambda version: (version / store.MANIFEST_FILE).unlink(),
    "a manifest cut short": lambda version: _cut(version / store.MANIFEST_FILE),
    "no golden digits": lambda version: (version / store.GOLDEN_FILE).unlink(),
    "nothing in it": lambda version: _empty(version),
}


def copied(artifacts: Path, folder: Path) -> Path:
    """A folder with the newest version of each model of another."""
    for model in [*store.models(artifacts), GATE]:
        if newest := store.latest(artifacts, model):
            shutil.copytree(store.version_path(artifacts, model, newest), store.version_path(folder, model, newest))
    return folder


class Rollouts:
    """Publishes a good version and a corrupt one in turn, of one model after another."""

    def __init__(self, root: Path, seed: int) -> None:
        self.good = self.corrupt = 0
        self._root = root
        self._models = itertools.cycle(store.models(root))
        self._chance = random.Random(seed)
        self._sources = {model: store.latest(root, model) or 1 for model in store.models(root)}

    def publish_next(self) -> None:
        """Publish one more."""
        model = next(self._models)
        if self.good <= self.corrupt:
            self._publish(self._root, model)
            self.good += 1
        else:
            self._spoil(model)
            self.corrupt += 1

    def _publish(self, root: Path, model: str) -> Manifest:
        """The first version once more, with its own weights: its answers are known."""
        source = store.version_path(self._root, model, self._sources[model])
        manifest = store.manifest(self._root, model, self._sources[model])
        files = {name: (source / name).read_bytes() for name in [store.MODEL_FILE, *manifest.files]}
        return publish(root, manifest, files)

    def _spoil(self, model: str) -> None:
        """A version that is corrupt from the moment that it is there."""
        aside = self._root / f".aside-{self.corrupt}"
        version = store.version_path(aside, model, self._publish(aside, model).version)
        self._chance.choice(list(_BAD.values()))(version)
        version.rename(store.version_path(self._root, model, (store.latest(self._root, model) or 0) + 1))
        shutil.rmtree(aside)

    def __str__(self) -> str:
        return f"{self.good} good and {self.corrupt} corrupt versions published"


def _empty(version: Path) -> None:
    for path in version.iterdir():
        if path.is_file():
            path.unlink()


def _cut(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
