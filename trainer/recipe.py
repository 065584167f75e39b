"""Recipes: TOML files that say everything about a training run, checked before it starts."""

import json
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, ValidationError, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from registry.rules import Rule
from trainer.architecture import Architecture
from trainer.errors import TrainerError
from trainer.table import Share, Table

SHIPPED = Path(__file__).parent / "recipes"

Name = Literal["mlp", "cnn", "lenet5"]
NAMES: tuple[Name, ...] = get_args(Name)
MAX_BATCH = 60_000  # all of MNIST

Accuracy = Annotated[float, Field(ge=0, le=1)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


LossName = Literal["cross_entropy", "one_hot_squared_error"]


class Loss(Table):
    """What is minimised."""

    name: LossName = "cross_entropy"
    label_smoothing: Share = 0.0


class Optimiser(Table):
    """How weights move; `learning_rate` is the schedule's highest."""

    name: Literal["sgd", "adam", "adamw"] = "adamw"
    learning_rate: float = Field(gt=0, le=10)
    weight_decay: float = Field(default=0.0, ge=0, le=10)
    momentum: Share = Field(default=0.9, description="of sgd; Adam's first beta")


class Schedule(Table):
    """How the learning rate goes over the run."""

    name: Literal["one-cycle", "cosine", "linear", "constant"] = "one-cycle"
    warmup: Share = Field(default=0.25, description="share of the steps in which one-cycle climbs")


class Augmentation(Table):
    """The strongest distortion of each kind; each picture draws its own within."""

    rotation: float = Field(default=0.0, ge=0, le=180, description="degrees, either way")
    scaling: float = Field(default=0.0, ge=0, le=1, description="0.1: from 1/1.1 to 1.1, each axis alone")
    shift: float = Field(default=0.0, ge=0, le=14, description="pixels, either way, each axis alone")
    shear: float = Field(default=0.0, ge=0, le=60, description="degrees, either way")
    elastic: float = Field(default=0.0, ge=0, le=10, description="deviation of the displacement, pixels")
    smoothness: float = Field(default=4.0, ge=1, le=14, description="of the elastic field, pixels (sigma)")
    flip: float = Field(default=0.0, ge=0, le=1, description="share of the pictures mirrored left to right")
    stroke: float = Field(default=0.0, ge=0, le=1, description="pixels wider or narrower on each side")
    blur: float = Field(default=0.0, ge=0, le=5, description="sigma of a Gaussian, pixels")
    contrast: float = Field(default=0.0, ge=0, lt=1, description="0.7: ink as faint as 0.3 of its own")
    noise: float = Field(default=0.0, ge=0, le=1, description="deviation of Gaussian noise, of white")
    specks: float = Field(default=0.0, ge=0, le=1, description="share of the pixels turned black or white")
    share: float = Field(
        default=0.15, gt=0, le=1, description="of the pictures, on which each of stroke to specks falls"
    )

    @property
    def distorts(self) -> bool:
        """Whether pictures are bent or moved."""
        return any((self.rotation, self.scaling, self.shift, self.shear, self.elastic, self.flip))

    @property
    def degrades(self) -> bool:
        """Whether pictures are made worse where they are."""
        return any((self.stroke, self.blur, self.contrast, self.noise, self.specks))

    @property
    def any(self) -> bool:
        """Whether there is anything to do."""
        return self.distorts or self.degrades


class Teaching(Table):
    """Who else a model learns from: a model of the same recipe that is trained before it, or published versions."""

    model: Name | None = None
    versions: list[str] = Field(default=[], max_length=16, description="folders like artifacts/cnn/1")
    sha256: list[Sha256] = Field(
        default=[], description="of the versions' model.pt: others are refused; a run writes them into its manifest"
    )
    weight: float = Field(default=0.7, gt=0, le=1, description="the teachers' share of the loss")
    temperature: float = Field(default=2.0, gt=0, le=100, description="by which both sides' logits are divided")

    @model_validator(mode="after")
    def _one_kind(self) -> "Teaching":
        if (self.model is None) == (not self.versions):
            raise PydanticCustomError("teacher", "give one of model and versions")
        if self.sha256 and len(self.sha256) != len(self.versions):
            raise PydanticCustomError("teacher", "give one of each version", {"key": "sha256"})
        return self


class ModelRecipe(Table):
    """How one model is built and trained, and the test accuracy below which it is not published."""

    target: Accuracy
    epochs: int = Field(ge=1, le=10_000)
    batch_size: int = Field(ge=2, le=MAX_BATCH)
    ema: Share = Field(default=0.0, description="decay a step of the averaged weights; 0: none are kept")
    precision: Literal["float32", "bfloat16"] = Field(
        default="float32", description="of products in training; bfloat16 halves the time where the processor has it"
    )
    architecture: Architecture
    loss: Loss = Loss()
    optimiser: Optimiser
    schedule: Schedule = Schedule()
    augmentation: Augmentation = Augmentation()
    teacher: Teaching | None = None


class Vote(Table):
    """The rule that the vote's target is for."""

    rule: Rule = "weighted"
    target: Accuracy = 0.0


class Sampling(Table):
    """Which of the training pictures are trained on, for quick tries: by one of three ways, or all of them."""

    fraction: float | None = Field(default=None, gt=0, le=1, description="this share of each label's pictures")
    balanced: int | None = Field(default=None, ge=1, description="so many pictures of each label")
    per_class: list[Annotated[int, Field(ge=0)]] | None = Field(
        default=None, min_length=10, max_length=10, description="pictures of label 0, of label 1, ..."
    )

    @model_validator(mode="after")
    def _one_way(self) -> "Sampling":
        if sum(way is not None for way in (self.fraction, self.balanced, self.per_class)) > 1:
            raise PydanticCustomError("sampling", "give one of fraction, balanced and per_class, not several")
        if self.per_class is not None and sum(self.per_class) < 2:
            raise PydanticCustomError("sampling", "asks for fewer than two pictures in all", {"key": "per_class"})
        return self


class Finetuning(Table):
    """How published versions learn from feedback; a run writes what it started from into its manifest."""

    repeat: int = Field(default=10, ge=1, le=1000, description="times that each digit of feedback stands in an epoch")
    held: float = Field(default=0.3, gt=0, lt=1, description="share of the feedback that is only judged by")
    least: int = Field(default=20, ge=1, description="digits that are learnt, and that are judged by, at least")
    base: dict[Name, Sha256] = Field(
        default={}, description="of the versions' model.pt; without one the newest of the model is taken"
    )
    digits: int | None = Field(default=None, description="how many there were; written by a run")
    sha256: Sha256 | None = Field(default=None, description="of them all: others are refused; written by a run")


class Recipe(Table):
    """A whole run."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")
    seed: int = Field(default=1, ge=0, lt=2**31)
    validation: int = Field(
        default=5000, ge=10, description="training pictures set aside; every choice is made on them"
    )
    sampling: Sampling = Sampling()
    drawn: int = Field(default=0, ge=0, le=60_000, description="digits drawn as strokes, beside the training pictures")
    outliers: int = Field(
        default=0, ge=0, le=200_000, description="pictures that are not one digit: of a gate's recipe"
    )
    gate: str = Field(default="", description="the recipe of the gate that is trained first where none is published")
    vote: Vote = Vote()
    finetune: Finetuning | None = None
    models: dict[Name, ModelRecipe] = Field(min_length=1)

    @model_validator(mode="after")
    def _kinds_fit(self) -> "Recipe":
        for name, model in self.models.items():
            kind = model.architecture.kind
            if kind == "published" and self.finetune:
                continue
            if kind.split("-")[0] != name:
                raise PydanticCustomError(
                    "kind",
                    "{kind} is no kind of {name}",
                    {"key": f"models.{name}.architecture.kind", "kind": kind, "name": name},
                )
        return self

    @model_validator(mode="after")
    def _teachers_fit(self) -> "Recipe":
        for name, settings in self.models.items():
            if self.outliers and settings.teacher:
                raise PydanticCustomError("teacher", "a gate has none", {"key": f"models.{name}.teacher"})
            line = [name]
            while teacher := self.taught_by(line[-1]):
                if teacher not in self.models or teacher in line:
                    known = ", ".join(other for other in self.models if other not in line) or "none"
                    raise PydanticCustomError(
                        "teacher",
                        "{teacher} cannot teach {pupil}; allowed: {known}",
                        {
                            "key": f"models.{line[-1]}.teacher.model",
                            "teacher": teacher,
                            "pupil": line[-1],
                            "known": known,
                        },
                    )
                line.append(teacher)
        return self

    def taught_by(self, name: Name) -> Name | None:
        """Which other model of the recipe teaches one."""
        teacher = self.models[name].teacher
        return teacher.model if teacher else None

    def in_order(self, names: Iterable[Name]) -> list[Name]:
        """Models and those that teach them, each after its teacher."""
        ordered: list[Name] = []
        for name in names:
            teacher = self.taught_by(name)
            before = self.in_order([teacher]) if teacher else []
            ordered += [one for one in (*before, name) if one not in ordered]
        return ordered


def read(name: str, seed: int | None = None) -> Recipe:
    """The recipe of a shipped name or a path; a seed given here replaces the file's.

    Raises:
        TrainerError: if there is no such recipe, it is not TOML, or a key is unknown, missing or impossible.
    """
    path = SHIPPED / f"{name}.toml" if name in shipped() else Path(name)
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        known = ", ".join(shipped())
        raise TrainerError(f"{path}: {error.strerror or error}; give a path or one of: {known}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TrainerError(f"{path}: not TOML: {error}") from error
    if seed is not None:
        table["seed"] = seed
    return check(table, str(path))


def check(table: dict[str, Any], source: str) -> Recipe:
    """A recipe's table, checked.

    Raises:
        TrainerError: if a key is unknown, missing or impossible, naming the source and the key.
    """
    try:
        return Recipe.model_validate(table)
    except ValidationError as error:
        raise TrainerError(f"{source}: {_sentence(error.errors()[0], table)}") from error


def dump(recipe: Recipe) -> str:
    """A recipe as TOML that `read` takes, with what differs from the defaults."""
    table = recipe.model_dump(mode="json", exclude_defaults=True)
    networks = table.pop("models")
    lines = [f"{key} = {_toml(value)}" for key, value in table.items()]
    for name, settings in networks.items():
        lines += ["", f"[models.{name}]", *(f"{key} = {_toml(value)}" for key, value in settings.items())]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(one)}" for key, one in value.items()) + " }"
    return json.dumps(value)  # of strings, numbers and lists TOML's form is JSON's


def shipped() -> list[str]:
    """Names of the recipes that come with the trainer."""
    return sorted(path.stem for path in SHIPPED.glob("*.toml"))


def _sentence(error: ErrorDetails, table: Any) -> str:
    """`dotted.key: what is wrong`; a union's own tag, which stands in no file, is left out of the key."""
    context = error.get("ctx", {})
    keys: list[str] = []
    for position, key in enumerate(error["loc"]):
        missing = position == len(error["loc"]) - 1 and "key" not in context
        inside = table[key] if _holds(table, key) else None
        if inside is not None or missing:
            keys.append(str(key))
            table = inside
    if "key" in context:
        keys.append(context["key"])
    if keys and keys[-1] == "[key]":
        keys.pop()
        return f"{'.'.join(keys)}: unknown key; allowed: {', '.join(NAMES)}"
    message = error["msg"][0].lower() + error["msg"][1:]
    given = error["input"]
    shown = f", not {given!r}" if isinstance(given, str | int | float | bool) and "key" not in context else ""
    return f"{'.'.join(keys)}: {message}{shown}"


def _holds(table: Any, key: str | int) -> bool:
    if isinstance(table, dict):
        return key in table
    return isinstance(table, list) and isinstance(key, int) and key < len(table)
