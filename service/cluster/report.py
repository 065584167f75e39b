"""What a replica of the models tells of itself, to the routes and to `cluster status`."""

from copy import copy
from dataclasses import dataclass, replace
from typing import NoReturn

from registry.rules import Floats
from service.cluster import replica
from service.ensemble import Ensemble
from service.place import Place
from service.schemas import ObjectStore, State
from service.seat import Seat


@dataclass(frozen=True)
class Report:
    """One replica at one moment; its places are without what runs their models, which no other process could."""

    replica: str
    state: State
    reason: str | None
    device: str
    places: dict[str, Place]
    store: ObjectStore | None

    @classmethod
    def of(cls, ensemble: Ensemble) -> "Report":
        """What the ensemble of this replica is now."""
        places = {name: _told(place) for name, place in ensemble.rollout.places.items()}
        return cls(replica.name(), *ensemble.health(), str(ensemble.device), places, ensemble.rollout.store)


def _told(place: Place) -> Place:
    return replace(place, voter=_seat(place.voter), canary=_seat(place.canary) if place.canary else None)


def _seat(seat: Seat) -> Seat:
    told = copy(seat)
    told.model = replace(seat.model, predict=_elsewhere if seat.model.predict else None)
    return told


def _elsewhere(_pictures: Floats) -> NoReturn:
    raise RuntimeError("this model runs in another process")
