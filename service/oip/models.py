"""The models as the protocol's clients see them: which there are, whether they answer, and their tensors."""

from dataclasses import dataclass
from typing import Any

from registry.manifest import LABELS
from registry.store import GRAPH_FILE, LABELS_FILE, MODEL_FILE
from registry.triton import INPUT, OUTPUT
from service.ensemble import Ensemble
from service.errors import NotFound, NotReady

ENSEMBLE = "digitvote"
IMAGE = "IMAGE"
_VERSION = "1"  # of the ensemble: it changes with what its tensors mean, not with the models that vote


@dataclass(frozen=True)
class Port:
    """One tensor of a model; `shape` is that of one picture's part of it."""

    name: str
    datatype: str
    shape: tuple[int, ...] = ()


@dataclass(frozen=True)
class Listed:
    """One model by its name: the version that answers, or why none does."""

    name: str
    version: str | None
    reason: str | None = None

    @property
    def whole(self) -> bool:
        """Whether it is the vote of all."""
        return self.name == ENSEMBLE


def listed(ensemble: Ensemble) -> list[Listed]:
    """Each model that should vote, and their vote."""
    found = []
    for model in ensemble.models:
        version = str(model.manifest.version) if model.manifest else None
        found.append(Listed(model.name, version, model.reason))
    state, reason = ensemble.state()
    return [*found, Listed(ENSEMBLE, _VERSION, None if ensemble.able else reason or state)]


def find(ensemble: Ensemble, name: str, version: str | None = None) -> Listed:
    """A model that answers, by its name and the version that is asked for, if one is.

    Raises:
        NotReady: if the models are still being loaded, or this one is there and does not answer.
        NotFound: if there is no such model or version.
    """
    if not ensemble.loaded.is_set():
        raise NotReady
    model = next((model for model in listed(ensemble) if model.name == name), None)
    if model is None:
        names = ", ".join([*ensemble.settings.models, ENSEMBLE])
        raise NotFound(f"There is no model {name[:64]!r}. Those that there are: {names}.")
    if version is not None and version != model.version:
        raise NotFound(f"{name} has no version {version[:20]!r}. The one that is served is {model.version}.")
    if model.reason is not None:
        raise NotReady(f"{name} does not answer: {model.reason}. /health says more.")
    return model


def inputs(model: Listed) -> list[Port]:
    """What a model takes; the vote takes one of its two."""
    tensor = Port(INPUT, "FP32", (1, 28, 28))
    return [tensor, Port(IMAGE, "BYTES")] if model.whole else [tensor]


def outputs(model: Listed, voters: int) -> list[Port]:
    """What a model gives, where so many vote."""
    if not model.whole:
        return [Port(OUTPUT, "FP32", (len(LABELS),))]
    return [
        Port("LABEL", "INT64"),
        Port("CONFIDENCE", "FP32"),
        Port("AGREEMENT", "FP32"),
        Port("ACCEPTED", "BOOL"),
        Port("REASON", "BYTES"),
        Port("PROBABILITIES", "FP32", (len(LABELS),)),
        Port("LABELS", "INT64", (voters,)),
        Port("VERSIONS", "INT64", (voters,)),
        Port("LOGITS", "FP32", (voters, len(LABELS))),
    ]


def metadata(model: Listed, ensemble: Ensemble) -> dict[str, Any]:
    """What `ModelMetadata` describes."""
    return {
        "name": model.name,
        "versions": [model.version],
        "platform": _engine(model, ensemble)["platform"],
        "inputs": [_described(port) for port in inputs(model)],
        "outputs": [_described(port) for port in outputs(model, len(ensemble.settings.models))],
    }


def config(model: Listed, ensemble: Ensemble) -> dict[str, Any]:
    """What Triton's ModelConfig describes, in protobuf's JSON form."""
    models = ensemble.settings.models
    told: dict[str, Any] = {
        "name": model.name,
        **_engine(model, ensemble),
        "version_policy": {"latest": {"num_versions": 1}},
        "max_batch_size": ensemble.settings.max_batch,
        "input": [_configured(port) for port in inputs(model)],
        "output": [_configured(port) for port in outputs(model, len(models))],
        "dynamic_batching": {},
    }
    if model.whole:
        told["parameters"] = {"models": {"string_value": ",".join(models)}}
    return told


def index(ensemble: Ensemble, *, ready: bool) -> list[dict[str, Any]]:
    """What `IndexEntry` describes, of all models or of those that are ready."""
    return [
        {
            "name": model.name,
            **({} if model.version is None else {"version": model.version}),
            "state": "UNAVAILABLE" if model.reason else "READY",
            "reason": model.reason or "",
        }
        for model in listed(ensemble)
        if not (ready and model.reason)
    ]


def _engine(model: Listed, ensemble: Ensemble) -> dict[str, str]:
    if model.whole:
        return {"platform": "digitvote_ensemble", "backend": ENSEMBLE, "default_model_filename": ""}
    if ensemble.settings.engine == "onnx":
        return {"platform": "onnxruntime_onnx", "backend": "onnxruntime", "default_model_filename": GRAPH_FILE}
    return {"platform": "pytorch_libtorch", "backend": "pytorch", "default_model_filename": MODEL_FILE}


def _described(port: Port) -> dict[str, Any]:
    return {"name": port.name, "datatype": port.datatype, "shape": [-1, *port.shape]}


def _configured(port: Port) -> dict[str, Any]:
    kind = "STRING" if port.datatype == "BYTES" else port.datatype
    told: dict[str, Any] = {"name": port.name, "data_type": f"TYPE_{kind}", "dims": list(port.shape)}
    return {**told, "label_filename": LABELS_FILE} if port.name == OUTPUT else told
