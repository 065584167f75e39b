"""What is served: a value that is replaced as a whole, so that a batch sees one state of it from begin to end."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from registry.manifest import GATE
from service.models import Model


@dataclass(frozen=True)
class Slot:
    """One model's place: the version that votes there, and the canary that takes `percent` of the batches."""

    model: Model
    canary: Model | None = None
    percent: int = 0

    def at(self, batch: int) -> Model:
        """The version that runs a batch, by its number; the canary's batches are spread evenly."""
        if self.canary is None or self.canary.predict is None or batch * self.percent % 100 >= self.percent:
            return self.model
        return self.canary


@dataclass(frozen=True)
class Served:
    """The models that should vote, in the order of their votes, and the gate, if there should be one."""

    slots: tuple[Slot, ...] = ()
    gate: Slot | None = None

    @classmethod
    def of(cls, slots: Mapping[str, Slot]) -> "Served":
        """What each name's slot holds, in their order."""
        return cls(tuple(slot for name, slot in slots.items() if name != GATE), slots.get(GATE))

    @cached_property
    def models(self) -> tuple[Model, ...]:
        """What votes on all batches but the canaries'."""
        return tuple(slot.model for slot in self.slots)

    @cached_property
    def missing(self) -> tuple[str, ...]:
        """Names of the models of which no version votes."""
        return tuple(model.name for model in self.models if model.predict is None)

    def at(self, batch: int) -> tuple[tuple[Model, ...], Model | None]:
        """The versions that vote on a batch, by its number, and the gate's."""
        return tuple(slot.at(batch) for slot in self.slots), self.gate.at(batch) if self.gate else None
