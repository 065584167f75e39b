import pytest

from service.pins import Pin, Want, read_pins
from service.settings import SettingsError, read_settings

MODELS = ("mlp", "cnn", "gate")


def test_without_entries_the_newest_is_wanted() -> None:
    """`latest` alone wants the newest version of every model first, then each that is older."""
    assert read_pins("latest", MODELS) == dict.fromkeys(MODELS, Pin())
    assert Want().of([1, 2, 10]) == [10, 2, 1]


def test_a_pin_wants_one_version_and_no_other() -> None:
    """A pinned version that is not published leaves nothing to be wanted."""
    want = read_pins("latest, cnn=2", MODELS)["cnn"].voter
    assert want.of([1, 2, 3]) == [2]
    assert want.of([1, 3]) == []


def test_a_canary_takes_its_share_from_what_came_before_it() -> None:
    """Beside a canary the newest version before it votes, unless another is pinned: what comes later waits."""
    pin = read_pins("cnn=3:10%", MODELS)["cnn"]
    assert pin.canary is not None
    assert (pin.canary.of([1, 2, 3, 4]), pin.percent) == ([3], 10)
    assert pin.voter.of([1, 2, 3, 4]) == [2, 1]
    both = read_pins("cnn=3:10%,cnn=5", MODELS)["cnn"]
    assert both.voter.of([1, 2, 3, 4, 5]) == [5]
    assert both.canary == pin.canary


@pytest.mark.parametrize(
    ("value", "allowed"),
    [
        ("cnn", "MODEL=VERSION:SHARE%"),
        ("cnn=0", "MODEL=VERSION:SHARE%"),
        ("cnn=3:100%", "1 to 99 %"),
        ("cnn=3:10", "MODEL=VERSION:SHARE%"),
        ("resnet=1", "resnet is none of mlp, cnn, lenet5, gate"),
        ("cnn=1,cnn=2", "cnn stands there twice"),
        ("cnn=2,cnn=2:10%", "cannot take a share of its own batches"),
    ],
)
def test_a_wrong_entry_is_named_with_what_is_allowed(monkeypatch: pytest.MonkeyPatch, value: str, allowed: str) -> None:
    """At the start the setting, its value and what it can be are told."""
    monkeypatch.setenv("DIGITVOTE_VERSIONS", value)
    with pytest.raises(SettingsError, match="DIGITVOTE_VERSIONS") as error:
        read_settings()
    assert value in str(error.value)
    assert allowed in str(error.value)
