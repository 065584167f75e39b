"""POST /predict: a picture in, three votes and the winning label out."""

import time
from base64 import b64encode
from io import BytesIO
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Depends, Query, Request
from PIL import Image

from service.dependencies import get_ensemble
from service.engine.queue import Counted
from service.ensemble import Ensemble
from service.errors import (
    BadRequest,
    BlankPicture,
    BodyTooLarge,
    BrokenPicture,
    Busy,
    EmptyFile,
    NoFile,
    NoQuorum,
    NotAPicture,
    NotReady,
    ServiceError,
    SlowBody,
    TooManyPixels,
    responses,
)
from service.imaging import Seen
from service.schemas import Look, MissingVote, Place, Prediction, Receipt, Vote
from service.upload import FIELD, read_upload

router = APIRouter(tags=["predict"])

_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": [FIELD],
                    "properties": {
                        FIELD: {
                            "type": "string",
                            "format": "binary",
                            "description": "a picture of one digit: PNG, JPEG, WebP, BMP, GIF or TIFF",
                        }
                    },
                }
            }
        },
    }
}


@router.post(
    "/predict",
    summary="Read the digit on a picture",
    response_description="The vote",
    response_model_exclude_unset=True,
    responses=responses(
        BadRequest,
        SlowBody,
        BodyTooLarge,
        NotAPicture,
        BrokenPicture,
        NoFile,
        EmptyFile,
        TooManyPixels,
        BlankPicture,
        ServiceError,
        Busy,
        NotReady,
        NoQuorum,
    ),
    openapi_extra=_BODY,
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
    answer = _answer(seen, await ensemble.vote(seen.picture), ensemble, decoded, request.state.request_id)
    if explain:
        answer.seen = _look(seen)
    request.state.log.update(
        label=answer.label, confidence=answer.confidence, batch_size=answer.receipt.batch_size, bytes=len(content)
    )
    return answer


def _answer(seen: Seen, counted: Counted, ensemble: Ensemble, decoded: float, request_id: str) -> Prediction:
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
        votes=[
            Vote(
                model=vote.model,
                version=vote.version,
                label=vote.label,
                confidence=round(float(vote.probabilities[vote.label]), 6),
                probabilities=[round(value, 6) for value in vote.probabilities.tolist()],
            )
            for vote in outcome.cast
        ],
        missing=[MissingVote(model=vote.model, version=vote.version, reason=vote.reason) for vote in outcome.absent],
        receipt=Receipt(
            request_id=request_id,
            decode_ms=_ms(decoded),
            queue_ms=_ms(counted.queue_seconds),
            inference_ms=_ms(counted.inference_seconds),
            batch_size=counted.batch_size,
            device=str(ensemble.device),
        ),
    )


def _look(seen: Seen) -> Look:
    file = BytesIO()
    Image.fromarray((seen.picture[0] * 255).round().astype(np.uint8)).save(file, "PNG")
    return Look(
        picture=f"data:image/png;base64,{b64encode(file.getvalue()).decode()}",
        box=Place(left=seen.box.left, top=seen.box.top, width=seen.box.width, height=seen.box.height),
        polarity=seen.polarity,
        turn=seen.turn,
        steps=list(seen.steps),
    )


def _ms(seconds: float) -> float:
    return round(seconds * 1e3, 3)
