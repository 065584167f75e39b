"""The manifests of deploy/kubernetes: as files, and as kubectl puts them together."""

import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from tests.support import ROOT

Manifest = dict[str, Any]

FOLDER = ROOT / "deploy" / "kubernetes"
OVERLAYS = sorted(folder.name for folder in (FOLDER / "overlays").iterdir())
KUBECTL = shutil.which("kubectl")
with_kubectl = pytest.mark.skipif(KUBECTL is None, reason="kubectl, of which kustomize is a part, is not here")


def read(path: Path) -> Manifest:
    """One file of YAML."""
    loaded: Manifest = yaml.safe_load(path.read_text("utf-8"))
    return loaded


def kustomizations() -> dict[Path, Manifest]:
    """Each kustomization.yaml by its folder."""
    return {path.parent: read(path) for path in sorted(FOLDER.rglob("kustomization.yaml"))}


def resources() -> list[Path]:
    """Each file that a kustomization lists as a whole resource."""
    return [
        folder / name
        for folder, one in kustomizations().items()
        for name in one.get("resources", ())
        if name.endswith(".yaml")
    ]


@cache
def built(overlay: str) -> tuple[Manifest, ...]:
    """What `kubectl apply -k` would send for an overlay."""
    assert KUBECTL is not None
    folder = FOLDER / "overlays" / overlay
    done = subprocess.run([KUBECTL, "kustomize", folder], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return tuple(yaml.safe_load_all(done.stdout))


def of_kind(overlay: str, kind: str) -> list[Manifest]:
    """An overlay's resources of one kind."""
    return [one for one in built(overlay) if one["kind"] == kind]


def pods(overlay: str) -> Iterator[tuple[str, Manifest, Manifest]]:
    """Kind, labels and spec of each pod that an overlay asks for."""
    for one in built(overlay):
        match one["kind"]:
            case "Deployment":
                pod = one["spec"]["template"]
                yield "Deployment", pod["metadata"]["labels"], pod["spec"]
            case "CronJob":
                pod = one["spec"]["jobTemplate"]["spec"]["template"]
                yield "CronJob", pod["metadata"]["labels"], pod["spec"]
            case "InferenceService":
                # KServe gives its pods this label.
                label = {"serving.kserve.io/inferenceservice": one["metadata"]["name"]}
                yield "InferenceService", label, one["spec"]["predictor"]


def server(overlay: str) -> tuple[Manifest, Manifest]:
    """The spec of the pod that serves, and its one container."""
    (pod,) = [pod for kind, _, pod in pods(overlay) if kind != "CronJob"]
    (container,) = pod["containers"]
    return pod, container


def trainer(overlay: str) -> Manifest:
    """The one container of the trainer."""
    (pod,) = [pod for kind, _, pod in pods(overlay) if kind == "CronJob"]
    (container,) = pod["containers"]
    found: Manifest = container
    return found


def settings(overlay: str) -> dict[str, str]:
    """The variables that the service gets from an overlay, its own over those of the ConfigMap that it names."""
    _, container = server(overlay)
    maps = {one["metadata"]["name"]: one["data"] for one in of_kind(overlay, "ConfigMap")}
    (source,) = [one["configMapRef"]["name"] for one in container["envFrom"] if "configMapRef" in one]
    return {**maps[source], **{one["name"]: one["value"] for one in container.get("env", ())}}
