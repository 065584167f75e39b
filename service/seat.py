"""A seat: one place in the vote, the version that has it, and what became of those that are wanted more."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import structlog

from registry.address import Location
from registry.objects import StoreError
from registry.store import Stamp
from service import metrics
from service.models import LoadError, Model, Step
from service.pins import Want
from service.schemas import Stage
from service.source import Source

Found = tuple[int, Stamp | None]
Load = Callable[[str, int], Awaitable[Model]]

log = structlog.get_logger("service")


@dataclass(frozen=True)
class Attempt:
    """A version that is wanted and not served, and why; `stamp` is of its files as they were then."""

    version: int
    stage: Stage
    reason: str
    stamp: Stamp | None = None
    step: Step | None = None


class Seat:
    """Takes the most wanted version that passes; what fails is not loaded again until its files change."""

    def __init__(self, name: str, want: Want) -> None:
        self.name = name
        self.want = want
        self.model = Model(name, reason="not loaded yet")
        self.attempts: dict[int, Attempt] = {}

    def survey(self, source: Source) -> list[Found]:
        """Versions that are wanted no less than what is served, the most wanted first, with their files' stamps."""
        found: list[Found] = []
        for version in self.want.of(source.versions(self.name)):
            found.append((version, source.stamp(self.name, version)))
            if version == self.model.version:
                break
        return found

    async def look(self, found: Sequence[Found], load: Load, *, patient: bool) -> Model | None:
        """The most wanted of what was found, if it is not what is served already; the others' attempts are kept.

        Args:
            found: what `survey` gives.
            load: loads and checks a version; raises LoadError, or StoreError where that may yet pass.
            patient: whether files that do not fit their manifest may still be on their way: it has failed once they
                are the same when they are looked at again.
        """
        tried: dict[int, Attempt] = {}
        taken = None
        for version, stamp in found:
            if (version, stamp) == (self.model.version, self.model.stamp):
                break
            attempt = self._known(version, stamp)
            if attempt is None:
                self.attempts[version] = Attempt(version, "loading", "it is being loaded and checked")
                try:
                    taken = replace(await load(self.name, version), stamp=stamp)
                    break
                except StoreError as error:  # tried again at each look
                    attempt = Attempt(version, "waiting", str(error))
                except LoadError as error:
                    waits = patient and error.step == "verify"
                    attempt = Attempt(version, "waiting", str(error), stamp, error.step)
                    attempt = attempt if waits else self._failed(attempt)
            tried[version] = attempt
        served = self.model.version
        if taken is None and served is not None and served not in (version for version, _ in found):
            tried[served] = Attempt(served, "gone", "its folder is gone; it stays until there is another to take")
        self.attempts = tried
        return taken

    def lack(self, where: Location, trouble: str | None) -> str:
        """Why it is empty once it has been looked for there, or among copies where there is trouble."""
        for attempt in self.attempts.values():
            return f"version {attempt.version}: {attempt.reason}"
        if trouble is not None:
            return f"no copy of a {self.want} of it, and {trouble}"
        if isinstance(where, Path) and not where.is_dir():
            return f"there is no folder {where}: train a model, or set DIGITVOTE_ARTIFACTS"
        other = "DIGITVOTE_ARTIFACTS" if self.want == Want() else "DIGITVOTE_VERSIONS"
        return f"no {self.want} of it in {where}: train one, or set {other}"

    def _known(self, version: int, stamp: Stamp | None) -> Attempt | None:
        """What need not be tried: it is not whole yet, or its files are still those that did not pass."""
        if stamp is None:
            return Attempt(version, "waiting", "it has no manifest.json: it is being copied, or removed")
        last = self.attempts.get(version)
        if last is None or last.stamp != stamp:
            return None
        return self._failed(last) if last.stage == "waiting" else last

    def _failed(self, attempt: Attempt) -> Attempt:
        log.error("version not taken", model=self.name, version=attempt.version, reason=attempt.reason)
        metrics.not_loaded(self.name, attempt.step or "verify")
        return replace(attempt, stage="failed")
