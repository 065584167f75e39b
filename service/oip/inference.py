"""From pictures to tensors: they go into the batches that all share, and what came of each is laid out."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from imaging import Seen
from registry.manifest import LABELS
from registry.rules import Floats
from registry.triton import OUTPUT
from service import metrics
from service.acceptance import final_reason
from service.ensemble import Ensemble
from service.errors import BadRequest, NotReady, ServiceError
from service.lane import Lane
from service.oip.models import IMAGE, Listed
from service.vote import Cast, Outcome, Reason

T = TypeVar("T")
Tensors = Mapping[str, NDArray[Any]]

_TRIES = 8  # batches until one is run by the version that is asked for, beside a canary or while one is taken up
_NONE = np.full(len(LABELS), np.nan, dtype=np.float32)  # logits of a model that gave none


@dataclass(frozen=True)
class Row:
    """What came of one picture, and why its answer is not accepted, if it is not."""

    outcome: Outcome
    reason: Reason | None

    def vote_of(self, model: str) -> tuple[Cast, Floats] | None:
        """A model's vote and its logits [10], if it gave one."""
        logits = () if self.outcome.logits is None else self.outcome.logits
        return next((both for both in zip(self.outcome.cast, logits, strict=True) if both[0].model == model), None)


class Inference:
    """Votes on the pictures of one request, for a model's sake or all, and for one version of it if one is named.

    One by itself goes the way of /predict: it is refused where the queue is full. Several share the lane with all that
    are many.
    """

    def __init__(self, ensemble: Ensemble, lane: Lane, model: Listed, version: str | None) -> None:
        self._ensemble = ensemble
        self._lane = lane
        self._model = model.name
        self._version = None if model.whole else version

    async def of_pictures(self, pictures: Floats) -> list[Row]:
        """What comes of pictures [N, 1, 28, 28]; raises what `Ensemble.vote` does."""
        alone = len(pictures) == 1

        async def one(picture: Floats) -> Row:
            outcome = await self._vote(picture, alone=alone)
            return Row(outcome, outcome.reason)

        return await _all(one, list(pictures))

    async def of_files(self, files: Sequence[bytes]) -> list[Row]:
        """What comes of the digit on each picture file; raises also BadRequest, which says which cannot be read."""
        alone = len(files) == 1
        read = self._ensemble.read if alone else self._read_in_lane

        async def one(item: tuple[int, bytes]) -> Row:
            place, content = item
            started = time.perf_counter()
            try:
                seen = await read(content)
            except ServiceError as error:
                raise BadRequest(f"{IMAGE} {place}: {error.title}. {error}") from error
            metrics.decoded(time.perf_counter() - started)
            outcome = await self._vote(seen.picture, alone=alone)
            return Row(outcome, final_reason(outcome, self._ensemble.settings.reject, alone=seen.alone))

        return await _all(one, list(enumerate(files)))

    async def _vote(self, picture: Floats, *, alone: bool) -> Outcome:
        """The vote on a picture, in a batch of the version that is asked for where one is."""
        vote = self._ensemble.vote if alone else self._lane.vote
        for _ in range(_TRIES):
            outcome = (await vote(picture)).outcome
            versions = {cast.model: str(cast.version) for cast in outcome.cast}
            if self._version in (None, versions.get(self._model, self._version)):
                return outcome
        raise NotReady(f"{self._model} {self._version} had no part in {_TRIES} batches. Ask without a version.")

    async def _read_in_lane(self, content: bytes) -> Seen:
        async def given() -> bytes:
            return content

        return (await self._lane.read(given))[0]


async def _all(work: Callable[[T], Coroutine[Any, Any, Row]], items: Sequence[T]) -> list[Row]:
    rows = []
    for done in await asyncio.gather(*map(work, items), return_exceptions=True):  # none is left behind where one fails
        if isinstance(done, BaseException):
            raise done
        rows.append(done)
    return rows


def of_model(model: Listed, rows: Sequence[Row]) -> tuple[list[str], Tensors]:
    """The version of one model that answered on each picture, and its outputs.

    Raises:
        NotReady: if it gave no vote on a picture.
    """
    votes = [vote for row in rows if (vote := row.vote_of(model.name))]
    if len(votes) < len(rows):
        raise NotReady(f"{model.name} gave no vote on {len(rows) - len(votes)} of {len(rows)} pictures. Try again.")
    return [str(cast.version) for cast, _ in votes], {OUTPUT: np.stack([logits for _, logits in votes])}


def count(rows: Sequence[Row]) -> None:
    """Count the digits of an answer that is sent."""
    for row in rows:
        metrics.answered(row.outcome.label, row.outcome.agreement, row.reason)


def of_vote(rows: Sequence[Row], voters: Sequence[str]) -> Tensors:
    """The outputs of the vote; of a model that gave none, label and version are -1 and the logits no numbers."""
    outcomes = [row.outcome for row in rows]
    votes = [[row.vote_of(name) for name in voters] for row in rows]
    return {
        "LABEL": np.array([outcome.label for outcome in outcomes], dtype=np.int64),
        "CONFIDENCE": np.array([outcome.confidence for outcome in outcomes], dtype=np.float32),
        "AGREEMENT": np.array([outcome.agreement for outcome in outcomes], dtype=np.float32),
        "ACCEPTED": np.array([row.reason is None for row in rows]),
        "REASON": np.array([row.reason or "" for row in rows], dtype=object),
        "PROBABILITIES": np.stack([outcome.combined for outcome in outcomes if outcome.combined is not None]),
        "LABELS": np.array([[vote[0].label if vote else -1 for vote in row] for row in votes], dtype=np.int64),
        "VERSIONS": np.array([[vote[0].version if vote else -1 for vote in row] for row in votes], dtype=np.int64),
        "LOGITS": np.stack([[vote[1] if vote else _NONE for vote in row] for row in votes]),
    }
