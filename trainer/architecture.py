"""The networks that a recipe can name, each a table with its sizes."""

from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError
from torch import nn

from trainer import models
from trainer.errors import TrainerError
from trainer.table import Share, Table

Width = Annotated[int, Field(ge=1, le=4096)]


class MLPArchitecture(Table):
    """A stack of dense layers."""

    kind: Literal["mlp"]
    widths: list[Width] = Field(min_length=1, max_length=8)
    dropout: Share = 0.0

    def build(self) -> nn.Module:
        """A new module with random weights."""
        return models.MLP(self.widths, self.dropout)


class CNNArchitecture(Table):
    """Stages of 3x3 convolutions, the picture halved between stages."""

    kind: Literal["cnn"]
    stages: list[Annotated[list[Width], Field(min_length=1)]] = Field(min_length=1, max_length=4)
    dropout: Share = 0.0
    dense: list[Width] = Field(default=[], max_length=4, description="dense layers between the maps and the output")
    outputs: Literal[10, 2, 11] = Field(
        default=10, description="the ten digits; of a gate other and digit, or 11: trained on each digit apart"
    )

    def build(self) -> nn.Module:
        """A new module with random weights."""
        return models.CNN(self.stages, self.dropout, tuple(self.dense), self.outputs)


class LeNet5Architecture(Table):
    """LeNet-5, with ReLU and max pooling, with ReLU and average pooling, or as it was in 1998."""

    kind: Literal["lenet5", "lenet5-relu", "lenet5-1998"]
    batch_norm: bool = Field(default=False, description="while it is trained; folded into the weights at the end")

    @model_validator(mode="after")
    def _as_in_1998(self) -> "LeNet5Architecture":
        if self.batch_norm and self.kind == "lenet5-1998":
            raise PydanticCustomError("batch_norm", "lenet5-1998 has none", {"key": "batch_norm"})
        return self

    def build(self) -> nn.Module:
        """A new module with random weights."""
        if self.kind == "lenet5-1998":
            return models.LeNet5Original()
        return models.LeNet5(averaged=self.kind == "lenet5-relu", batch_norm=self.batch_norm)


class PublishedArchitecture(Table):
    """The network of the version that a fine-tuning starts from, whatever it is."""

    kind: Literal["published"]

    def build(self) -> nn.Module:
        """Nothing: there is none without such a version."""
        raise TrainerError("recipe: architecture: of a published version: train it with --data feedback:FILE")


Architecture = Annotated[
    MLPArchitecture | CNNArchitecture | LeNet5Architecture | PublishedArchitecture, Field(discriminator="kind")
]
