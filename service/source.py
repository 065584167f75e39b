"""Where the rollout finds versions: a folder, or the mirror of an object store."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from registry import store
from registry.address import Address, AddressError, check_installed
from registry.mirror import Mirror
from registry.store import Stamp
from service.schemas import ObjectStore
from service.settings import Settings, SettingsError


class Source(Protocol):
    """What the rollout asks for versions; all of it may take long, and is asked beside the event loop."""

    @property
    def trouble(self) -> str | None:
        """Why the versions are not those that lie there now; None where they are."""

    def look(self) -> None:
        """See what is published; never raises for a store that does not answer."""

    def versions(self, model: str) -> list[int]:
        """Versions of a model, oldest first."""

    def stamp(self, model: str, version: int) -> Stamp | None:
        """What is another once a version is; None while it is not whole."""

    def take(self, model: str, version: int) -> None:
        """Have a version under the settings' `root`; raises ArtifactError, or StoreError where that may yet pass."""

    def tidy(self, served: Mapping[str, set[int]]) -> None:
        """Remove what nobody needs any more."""


class Folder:
    """The versions in a folder, which are there already."""

    trouble = None

    def __init__(self, root: Path) -> None:
        self._root = root

    def look(self) -> None:
        """Nothing needs to be asked."""

    def versions(self, model: str) -> list[int]:
        """As `registry.store` finds them."""
        return store.versions(self._root, model)

    def stamp(self, model: str, version: int) -> Stamp | None:
        """Of the version's files."""
        return store.stamp(self._root, model, version)

    def take(self, model: str, version: int) -> None:
        """Nothing needs to be fetched."""

    def tidy(self, served: Mapping[str, set[int]]) -> None:
        """Whatever lies there is its owner's."""


def source(settings: Settings) -> Folder | Mirror:
    """What the settings name; nothing is asked yet."""
    if isinstance(settings.artifacts, Address):
        return Mirror(settings.artifacts, settings.root)
    return Folder(settings.root)


def of_store(source: Folder | Mirror) -> ObjectStore | None:
    """How it stands with an object store; None where versions lie in a folder."""
    if isinstance(source, Folder):
        return None
    return ObjectStore(
        address=str(source.address),
        reached=source.trouble is None and bool(source.seen),
        reason=source.trouble,
        seen=datetime.fromtimestamp(source.seen, UTC) if source.seen else None,
    )


def check(settings: Settings) -> None:
    """Refuse what cannot work, before anything is served.

    Raises:
        SettingsError: if what speaks to an address is not installed, or the folder for copies cannot be written.
    """
    if not isinstance(settings.artifacts, Address):
        return
    try:
        check_installed(settings.artifacts)
        Mirror(settings.artifacts, settings.root).check_writable()
    except AddressError as error:
        raise SettingsError(f"DIGITVOTE_ARTIFACTS={str(settings.artifacts)!r}: {error}") from error
    except (OSError, RuntimeError) as error:  # the latter where nobody has a home
        raise SettingsError(
            f"DIGITVOTE_ARTIFACTS_CACHE={str(settings.artifacts_cache)!r}: {error}. "
            "Set it to a folder that can be written."
        ) from error
