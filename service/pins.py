"""Which versions are wanted, as DIGITVOTE_VERSIONS says: the newest, pinned ones, canaries."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

LATEST = "latest"
_ENTRY = re.compile(r"([a-z][a-z0-9-]*)=([1-9][0-9]{0,8})(?::([1-9][0-9]?)%)?")


@dataclass(frozen=True)
class Want:
    """Versions of a model that may take one seat: `exactly` that one, else those `below` one, else all."""

    exactly: int | None = None
    below: int | None = None

    def of(self, published: Sequence[int]) -> list[int]:
        """Those among the published versions, the most wanted first."""
        if self.exactly is not None:
            return [version for version in published if version == self.exactly]
        return sorted((version for version in published if self.below is None or version < self.below), reverse=True)

    def __str__(self) -> str:
        if self.exactly is not None:
            return f"version {self.exactly}"
        return "version" if self.below is None else f"version before {self.below}"


@dataclass(frozen=True)
class Pin:
    """What is wanted of one model: what votes, and perhaps a canary in its place on `percent` of the batches."""

    voter: Want = Want()
    canary: Want | None = None
    percent: int = 0


def read_pins(text: str, models: Sequence[str]) -> dict[str, Pin]:
    """The pin of each model, of entries with commas between them.

    Raises:
        ValueError: if an entry is malformed, names another model, or contradicts one before it.
    """
    voters: dict[str, int] = {}
    canaries: dict[str, tuple[int, int]] = {}
    for entry in (part.strip() for part in text.split(",")):
        if entry == LATEST:
            continue
        found = _ENTRY.fullmatch(entry)
        if found is None:
            raise ValueError(f"{entry!r} is none of {LATEST}, MODEL=VERSION, MODEL=VERSION:SHARE% with 1 to 99 %")
        name, version, share = found[1], int(found[2]), found[3]
        if name not in models:
            raise ValueError(f"{name} is none of {', '.join(models)}")
        if name in (canaries if share else voters):
            raise ValueError(f"{name} stands there twice: one version votes, and one more may take a share of it")
        if share:
            canaries[name] = version, int(share)
        else:
            voters[name] = version
    for name, (version, _) in canaries.items():
        if voters.get(name) == version:
            raise ValueError(f"{name}={version} cannot take a share of its own batches")
    return {name: _pin(voters.get(name), canaries.get(name)) for name in models}


def _pin(voter: int | None, canary: tuple[int, int] | None) -> Pin:
    if canary is None:
        return Pin(Want(voter))
    version, percent = canary
    # Without a pin beside it, what was published after a canary must not pass it by.
    return Pin(Want(voter, below=version), Want(version), percent)
