"""A model's place in the vote: the seat of what votes there, and perhaps one of its canary."""

from dataclasses import dataclass

from service.pins import Pin
from service.seat import Seat
from service.served import Slot


@dataclass
class Place:
    """One model's seats; `unloaded` until it is loaded again."""

    voter: Seat
    canary: Seat | None
    percent: int
    unloaded: bool = False

    @classmethod
    def of(cls, name: str, pin: Pin) -> "Place":
        """The empty seats that a pin asks for."""
        return cls(Seat(name, pin.voter), Seat(name, pin.canary) if pin.canary else None, pin.percent)

    @property
    def seats(self) -> list[Seat]:
        """The voter's and the canary's."""
        return [self.voter, *([self.canary] if self.canary else [])]

    def slot(self) -> Slot:
        """Who has the seats now."""
        return Slot(self.voter.model, self.canary.model if self.canary else None, self.percent)

    def forget(self) -> None:
        """Have what did not pass tried again."""
        for seat in self.seats:
            seat.attempts.clear()
