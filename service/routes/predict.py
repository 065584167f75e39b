"""POST /predict: a picture in, three votes and the winning label out."""

import time
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from service.dependencies import get_ensemble
from service.engine.queue import Counted
from service.ensemble import Ensemble
from service.errors import responses
from service.imaging import Seen
from service.routes.parts import UPLOAD_ERRORS, body, missing_of, ms, place_of, png_of, votes_of
from service.schemas import Look, Prediction, Receipt
from service.upload import read_upload

router = APIRouter(tags=["predict"])


@router.post(
    "/predict",
    summary="Read the digit on a picture",
    response_description="The vote",
    response_model_exclude_unset=True,
    responses=responses(*UPLOAD_ERRORS),
    openapi_extra=body("a picture of one digit"),
)
async def predict(
    request: Request,
    ensemble: Annotated[Ensemble, Depends(get_ensemble)],
    explain: Annotated[bool, Query(description="add `seen`: what the models saw and how it came about")] = False,
) -> Prediction:
    """Send a picture of one handwritten digit as the multipart field `file`.

    Each model votes; the answer holds every vote, the winning label and how sure it is. Dark ink on light paper or
    light on dark, any size: the digit is found, fitted and centred before the models see it. With `explain=true` the
    answer holds that too.
    """
    ensemble.check()
    content = await read_upload(request, ensemble.settings.body_seconds)
    started = time.perf_counter()
    seen = await ensemble.read(content)
    decoded = time.perf_counter() - started
    answer = answer_of(seen, await ensemble.vote(seen.picture), ensemble, decoded, request.state.request_id)
    if explain:
        answer.seen = _look(seen)
    request.state.log.update(
        label=answer.label, confidence=answer.confidence, batch_size=answer.receipt.batch_size, bytes=len(content)
    )
    return answer


def answer_of(seen: Seen, counted: Counted, ensemble: Ensemble, decoded: float, request_id: str) -> Prediction:
    """The answer on one picture; `decoded` is how many seconds its decoding took."""
    outcome, settings = counted.outcome, ensemble.settings
    reason = outcome.reason if seen.alone or settings.reject == "off" else "more than one digit"
    return Prediction(
        label=outcome.label,
        confidence=round(outcome.confidence, 6),
        agreement=round(outcome.agreement, 6),
        rule=settings.rule,
        accepted=reason is None,
        reason=reason,
        warnings=list(seen.warnings),
        votes=votes_of(outcome),
        missing=missing_of(outcome),
        receipt=Receipt(
            request_id=request_id,
            decode_ms=ms(decoded),
            queue_ms=ms(counted.queue_seconds),
            inference_ms=ms(counted.inference_seconds),
            batch_size=counted.batch_size,
            device=str(ensemble.device),
        ),
    )


def _look(seen: Seen) -> Look:
    return Look(
        picture=png_of(seen.picture),
        box=place_of(seen.box),
        polarity=seen.polarity,
        turn=seen.turn,
        steps=list(seen.steps),
    )
