import numpy as np
import pytest

from registry.rules import Floats
from service.models import Model
from service.served import Served, Slot


def nothing(pictures: Floats) -> Floats:
    return np.zeros((len(pictures), 10), np.float32)


@pytest.mark.parametrize("percent", [1, 10, 33, 99])
def test_a_canary_takes_its_share_of_every_hundred_batches(percent: int) -> None:
    """Of any hundred batches in a row exactly its share is the canary's, and none waits long for its first."""
    slot = Slot(Model("cnn", predict=nothing), Model("cnn", predict=nothing), percent)
    taken = [slot.at(batch) is slot.canary for batch in range(300)]
    assert all(sum(taken[start : start + 100]) == percent for start in range(200))


def test_a_canary_that_is_not_loaded_takes_nothing() -> None:
    """The version that votes has all batches then."""
    slot = Slot(Model("cnn", predict=nothing), Model("cnn", reason="no version 3"), 50)
    assert {slot.at(batch) is slot.model for batch in range(100)} == {True}


def test_what_does_not_vote_is_missing() -> None:
    """A model without a version is named; the gate is none of those."""
    served = Served((Slot(Model("mlp", predict=nothing)), Slot(Model("cnn"))), Slot(Model("gate")))
    assert served.missing == ("cnn",)
