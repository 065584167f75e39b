"""POST /predict: a picture in, three votes and the winning label out."""

import time
from typing import Any

import orjson
from fastapi import APIRouter
from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from imaging import Seen
from service import metrics
from service.acceptance import final_reason
from service.dependencies import remember
from service.engine.queue import Counted
from service.ensemble import Ensemble
from service.errors import BadRequest, responses
from service.routes.direct import Direct
from service.routes.parts import UPLOAD_ERRORS, body, ms, place_of, png_of
from service.schemas import Look, Prediction
from service.upload import read_upload

router = APIRouter(tags=["predict"], route_class=Direct)

_EXPLAIN: dict[str, Any] = {
    "name": "explain",
    "in": "query",
    "description": "add `seen`: what the models saw and how it came about",
    "schema": {"type": "boolean", "default": False},
}
_TRUTH = TypeAdapter(bool)


@router.post(
    "/predict",
    summary="Read the digit on a picture",
    response_description="The vote",
    response_model=Prediction,
    responses=responses(*UPLOAD_ERRORS),
    openapi_extra={**body("a picture of one digit"), "parameters": [_EXPLAIN]},
)
async def predict(request: Request) -> Response:
    """Send a picture of one handwritten digit as the multipart field `file`.

    Each model votes; the answer holds every vote, the winning label and how sure it is. Dark ink on light paper or
    light on dark, any size: the digit is found, fitted and centred before the models see it. With `explain=true` the
    answer holds that too.
    """
    answer = await vote_on(request, explain=_explain(request))
    count(answer)
    return Response(orjson.dumps(answer), media_type="application/json")


async def vote_on(request: Request, *, explain: bool) -> dict[str, Any]:
    """The answer to an upload, which is not counted yet: who sends it counts it."""
    ensemble: Ensemble = request.app.state.ensemble
    ensemble.check()
    content = await read_upload(request, ensemble.settings.body_seconds)
    started = time.perf_counter()
    seen = await ensemble.read(content)
    decoded = time.perf_counter() - started
    metrics.decoded(decoded)
    counted = await ensemble.vote(seen.picture)
    remember(request, 0, seen.picture, counted.outcome)
    answer = answer_of(seen, counted, ensemble, decoded, request.state.request_id)
    if explain:
        answer["seen"] = _look(seen).model_dump()
    request.state.log.update(
        label=answer["label"], confidence=answer["confidence"], batch_size=counted.batch_size, bytes=len(content)
    )
    return answer


def answer_of(seen: Seen, counted: Counted, ensemble: Ensemble, decoded: float, request_id: str) -> dict[str, Any]:
    """What `Prediction` describes, ready for orjson: pydantic would take longer than all else that is done for it."""
    outcome, settings = counted.outcome, ensemble.settings
    reason = final_reason(outcome, settings.reject, alone=seen.alone)
    return {
        "label": outcome.label,
        "confidence": outcome.confidence,
        "agreement": outcome.agreement,
        "rule": settings.rule,
        "accepted": reason is None,
        "reason": reason,
        "warnings": seen.warnings,
        "votes": outcome.cast,
        "missing": outcome.absent,
        "receipt": {
            "request_id": request_id,
            "decode_ms": ms(decoded),
            "queue_ms": ms(counted.queue_seconds),
            "inference_ms": ms(counted.inference_seconds),
            "batch_size": counted.batch_size,
            "device": str(ensemble.device),
        },
    }


def count(answer: dict[str, Any]) -> None:
    """Count an answer that is sent."""
    metrics.answered(answer["label"], answer["agreement"], answer["reason"])


def _explain(request: Request) -> bool:
    if not request.scope["query_string"]:
        return False
    value = request.query_params.get("explain", "false")
    try:
        return _TRUTH.validate_strings(value)
    except ValidationError as error:
        raise BadRequest(
            f"explain={value!r}: {error.errors()[0]['msg']}. /docs shows what each parameter takes."
        ) from error


def _look(seen: Seen) -> Look:
    return Look(
        picture=png_of(seen.picture),
        box=place_of(seen.box),
        polarity=seen.polarity,
        turn=seen.turn,
        steps=list(seen.steps),
    )
