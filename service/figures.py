"""The figures of a version's report, as far as the page of the models shows them."""

from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import (
    BaseModel,
    FiniteFloat,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)

from registry.errors import ArtifactError
from registry.files import read_file

T = TypeVar("T")

_LARGEST = 2**22  # bytes of figures; the release's have 22,000


def _or_none(value: Any, read: ValidatorFunctionWrapHandler) -> Any:
    try:
        return read(value)
    except ValidationError:
        return None


_Perhaps = Annotated[T | None, WrapValidator(_or_none)]  # what cannot be read is left out alone


class Epoch(BaseModel):
    """One epoch of training."""

    loss: FiniteFloat
    validation_loss: FiniteFloat
    validation_accuracy: FiniteFloat


class Test(BaseModel):
    """On the test digits: the confusion matrix [10, 10], rows true, columns predicted."""

    confusion: list[list[int]]


class Share(BaseModel):
    """Of so many digits the share that was read right."""

    examples: int
    accuracy: FiniteFloat


class Vote(BaseModel):
    """How the vote of some models did by each rule; `default` names one of them."""

    models: list[str]
    default: str
    test: dict[str, _Perhaps[Share]]  # beside the rules stands how often all models err alike

    @model_validator(mode="after")
    def _has_default(self) -> "Vote":
        if self.test.get(self.default) is None:
            raise ValueError(f"there is no figure of the rule {self.default}")
        return self


class Corruptions(BaseModel):
    """The share of the test digits that is read right once they are spoilt in each way."""

    model: dict[str, FiniteFloat]
    vote: dict[str, FiniteFloat] = {}


class Kept(BaseModel):
    """How many mistakes are left among the surest share of the test digits."""

    coverage: FiniteFloat
    errors: int


class Coverage(BaseModel):
    """The mistakes left as fewer digits are kept, of the model and of the vote, by the same shares."""

    model: list[Kept]
    vote: list[Kept] = []


class Kinds(BaseModel):
    """The share that the gate refuses of each kind of digits and of other pictures."""

    digits: dict[str, FiniteFloat]
    others: dict[str, FiniteFloat]


class Refused(BaseModel):
    """What the gate refuses as strictly as it can be asked."""

    balanced: Kinds
    strict: Kinds


class Figures(BaseModel):
    """A report's `metrics.json`: each part as far as it is there and can be read."""

    recipe: _Perhaps[str] = None
    multiply_adds: _Perhaps[int] = None
    test: _Perhaps[Test] = None
    vote: _Perhaps[Vote] = None
    history: _Perhaps[list[Epoch]] = None
    corruptions: _Perhaps[Corruptions] = None
    coverage: _Perhaps[Coverage] = None
    refused: _Perhaps[Refused] = None


def read_figures(path: Path) -> Figures:
    """The figures of a report; none where it has none that can be read: the manifest alone is shown then."""
    try:
        return Figures.model_validate_json(read_file(path, _LARGEST))
    except (ArtifactError, ValidationError):
        return Figures()
