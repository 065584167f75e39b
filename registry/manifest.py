"""The manifest: everything that is known about one published version of a model."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator, model_validator

from registry.errors import ArtifactError
from registry.files import is_within, read_file

LABELS = tuple("0123456789")
GATE, GATE_LABELS = "gate", ("other", "digit")  # the one model that does not vote: it says whether there is a digit

LARGEST = 2**20  # bytes of a manifest; one of the release's has 5,000

Strictness = Literal["balanced", "strict"]

ModelName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,63}$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Tensor(_Strict):
    """One input or output of the module; the batch dimension is left out of `shape`."""

    name: str
    shape: list[int]
    dtype: Literal["float32"] = "float32"
    meaning: str


class Metrics(_Strict):
    """How the module did on one split of the data."""

    examples: int = Field(gt=0)
    accuracy: float = Field(ge=0, le=1)
    loss: float = Field(ge=0, description="mean cross-entropy in nats, at the fitted temperature")
    calibration_error: float = Field(ge=0, le=1, description="expected calibration error, 15 equal bins")


class DataFile(_Strict):
    """One file that the model was trained or measured on."""

    name: str
    sha256: Sha256


class Manifest(_Strict):
    """What a version is, how it was made and how well it does; `manifest.json` beside `model.pt`."""

    name: ModelName
    version: int = Field(ge=1)
    format: Literal["torchscript"] = "torchscript"
    sha256: Sha256 = Field(description="of model.pt")
    files: dict[str, Sha256] = Field(description="every other file of the version, by its path within it")
    input: Tensor
    output: Tensor
    labels: list[str]
    parameters: int = Field(gt=0)
    metrics: dict[str, Metrics] = Field(description="by split: validation, test")
    temperature: float = Field(gt=0, description="logits are divided by it before the softmax")
    weight: float = Field(gt=0, description="in the weighted vote")
    thresholds: dict[Strictness, float] = Field(
        default={}, description="of the gate: the least log-odds, in nats, of what is taken for one digit"
    )
    recipe: dict[str, Any] = Field(description="the whole recipe, resolved: enough to train it again")
    data: list[DataFile]
    torch: str
    commit: str | None = Field(description="of the source it was trained by, with +dirty where it was changed")
    seconds: float = Field(ge=0, description="of training, on `device`")
    device: str
    created: datetime

    @field_validator("files")
    @classmethod
    def _lie_within(cls, value: dict[str, str]) -> dict[str, str]:
        for name in value:
            if not is_within(name):
                raise ValueError(f"{name!r} is not the path of a file within the version")
        return value

    @model_validator(mode="after")
    def _is_of_digits(self) -> Self:
        """A model of other labels or shapes cannot vote with the rest, nor be their gate."""
        labels = labels_of(self.name)
        if tuple(self.labels) != labels:
            raise ValueError(f"labels are {self.labels}, not {', '.join(labels)}")
        if self.input.shape != [1, 28, 28] or self.output.shape != [len(labels)]:
            raise ValueError(
                f"shapes are {self.input.shape} to {self.output.shape}, not [1, 28, 28] to [{len(labels)}]"
            )
        if set(self.thresholds) != (set(get_args(Strictness)) if self.name == GATE else set()):
            raise ValueError(f"thresholds are {self.thresholds}: a gate has balanced and strict, what votes has none")
        return self


def labels_of(name: str) -> tuple[str, ...]:
    """What a model's logits are of, by its name: the gate's two labels, or the ten digits of one that votes."""
    return GATE_LABELS if name == GATE else LABELS


def read_manifest(path: Path) -> Manifest:
    """Read and check `manifest.json`.

    Raises:
        ArtifactError: if the file is missing, too large, is not JSON or does not fit the schema.
    """
    return parse_manifest(read_file(path, LARGEST), path)


def parse_manifest(content: bytes, where: object) -> Manifest:
    """Check the bytes of `manifest.json`; errors name where it lies.

    Raises:
        ArtifactError: if it is not JSON or does not fit the schema.
    """
    try:
        return Manifest.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise ArtifactError(f"{where}: {place}: {first['msg']}") from error
