"""POST /feedback: what an answer should have been, kept for the training."""

from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from python_multipart.multipart import parse_options_header

from service.dependencies import TheFeedback
from service.ensemble import Ensemble
from service.errors import (
    BadRequest,
    BodyTooLarge,
    Busy,
    FeedbackFull,
    FeedbackOff,
    FeedbackUnavailable,
    HeadTooLarge,
    ServiceError,
    SlowBody,
    SlowHead,
    TooLate,
    UnknownAnswer,
    UnknownEncoding,
    WrongFeedback,
    responses,
)
from service.schemas import FeedbackKept
from service.upload import whole

PATH = "/feedback"
MAX_BYTES = 2**16

router = APIRouter(tags=["predict"])


def _whole(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


Whole = Annotated[int, BeforeValidator(_whole)]  # JSON's 7.0 is an integer too, its "7" and true are none


class Correction(BaseModel):
    """What an answer should have been."""

    model_config = ConfigDict(strict=True, extra="forbid")

    request_id: str = Field(min_length=1, max_length=128, description="the answer's, as its receipt has it")
    label: Whole = Field(ge=0, le=9, description="the right one")
    index: Whole | None = Field(
        None,
        ge=0,
        le=10**6,
        description="which picture of a /predict/batch, or which of the `digits` of a /read, from 0; where there are "
        "several it must be given",
    )


_EXAMPLE = {"request_id": "01JD8X3W5E9Q2R7T4Y6U8A1B2C", "label": 7}
_BODY: dict[str, Any] = {
    "required": True,
    "content": {"application/json": {"schema": Correction.model_json_schema(), "example": _EXAMPLE}},
}


@router.post(
    PATH,
    summary="Say what an answer should have been",
    response_description="It is kept",
    responses=responses(
        SlowHead,
        HeadTooLarge,
        BadRequest,
        FeedbackOff,
        UnknownAnswer,
        SlowBody,
        BodyTooLarge,
        UnknownEncoding,
        WrongFeedback,
        ServiceError,
        Busy,
        FeedbackUnavailable,
        TooLate,
        FeedbackFull,
    ),
    openapi_extra={"requestBody": _BODY},
)
async def feedback(request: Request, memory: TheFeedback) -> FeedbackKept:
    """Send the request id of an answer and the right label, also where the answer was right.

    Kept are the 28x28 that the models saw, their votes and the label, never the upload. Of two labels for the same
    answer the last counts. Off unless whoever runs the service has named a file for it.
    """
    if memory is None:
        raise FeedbackOff
    given = await _correction(request)
    index, answered = await memory.tell(given.request_id, given.index, given.label)
    request.state.log.update(of=given.request_id, label=given.label, answered=answered)
    return FeedbackKept(
        request_id=given.request_id,
        index=index,
        label=given.label,
        answered=answered,
        right=answered == given.label,
    )


async def _correction(request: Request) -> Correction:
    """What a request says; raises what is wrong with it."""
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise UnknownEncoding("Send feedback as it is, without Content-Encoding.")
    # A page of another site may send a form or text without asking first, and nothing else.
    if parse_options_header(request.headers.get("content-type", ""))[0] != b"application/json":
        raise BadRequest(f"Content-Type must be application/json. {WrongFeedback.default}")
    ensemble: Ensemble = request.app.state.ensemble
    sent = await whole(request, ensemble.settings.body_seconds)
    try:
        return Correction.model_validate_json(sent)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        if first["type"] == "json_invalid":
            raise BadRequest(f"The body is no JSON. {WrongFeedback.default}") from error
        where = ".".join(map(str, first["loc"])) or "the body"
        raise WrongFeedback(f"{where[:100]}: {first['msg']}. {WrongFeedback.default}") from error
