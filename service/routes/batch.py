"""POST /predict/batch: many pictures in, an answer or an error for each out."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import orjson
import structlog
from fastapi import APIRouter, Request
from python_multipart.multipart import parse_options_header
from starlette.responses import StreamingResponse

from service import deadline, metrics
from service.archive import MOST
from service.dependencies import TheEnsemble, TheLane, remember
from service.ensemble import Ensemble
from service.errors import VARY, BrokenArchive, ServiceError, TooLate, TooManyPictures, responses, told
from service.lane import Lane
from service.routes.parts import UPLOAD_ERRORS
from service.routes.predict import answer_of, count
from service.schemas import BatchPrediction
from service.upload import FIELD
from service.uploads import ARCHIVES, Upload, read_uploads

PATH = "/predict/batch"
LINES = "application/x-ndjson"
_FILE = {"type": "string", "format": "binary"}
_PICTURES = {
    "type": "array",
    "items": _FILE,
    "minItems": 1,
    "maxItems": MOST,
    "description": "pictures, or one ZIP archive of pictures",
}

log = structlog.get_logger("service")
router = APIRouter(tags=["predict"])


def _bodies() -> dict[str, Any]:
    form = {"schema": {"type": "object", "required": [FIELD], "properties": {FIELD: _PICTURES}}}
    archive = {"schema": {**_FILE, "description": "a ZIP archive of pictures"}}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": form, ARCHIVES[0].decode(): archive}}}


@router.post(
    PATH,
    summary="Read the digits on many pictures",
    response_model=None,
    responses={
        200: {
            "model": BatchPrediction,
            "description": "An answer for each picture, in order; as NDJSON a line for each, as it is done",
            "content": {LINES: {"schema": {"$ref": "#/components/schemas/BatchAnswer"}}},
        },
        **responses(*UPLOAD_ERRORS, BrokenArchive, TooManyPictures),
    },
    openapi_extra=_bodies(),
)
async def predict_batch(
    request: Request,
    ensemble: TheEnsemble,
    lane: TheLane,
) -> StreamingResponse:
    """Send up to 256 pictures of one digit each, as multipart fields `file` or as a ZIP archive.

    Each gets the answer of `/predict`, or its error: a bad picture does not disturb the others, and the status is 200.
    With `Accept: application/x-ndjson` each answer is sent as a line as soon as it is there, in no order; `index` and
    `name` say which picture's it is.
    """
    ensemble.check()
    settings = ensemble.settings
    uploads = await read_uploads(request, settings.body_seconds, settings.max_bytes, settings.batch_bytes)
    answers = _answers(uploads, ensemble, lane, request)
    if _takes_lines(request.headers.get("accept", "")):
        return StreamingResponse(_lines(answers), headers=VARY, media_type=LINES)
    return StreamingResponse(_whole(answers), headers=VARY, media_type="application/json")


def _takes_lines(accept: str) -> bool:
    """Whether an Accept names NDJSON, and not to say by q=0 that it is not taken."""
    for taken in accept.split(","):
        media_type, options = parse_options_header(taken.strip())
        if media_type == LINES.encode():
            return options.get(b"q", b"1").strip(b"0.") != b""
    return False


@dataclass(frozen=True)
class _Answer:
    """What came of one picture, and that written as JSON, as `BatchAnswer` describes it."""

    index: int
    failed: bool
    written: bytes


async def _lines(answers: AsyncIterator[_Answer]) -> AsyncIterator[bytes]:
    async for answer in answers:
        yield answer.written + b"\n"


async def _whole(answers: AsyncIterator[_Answer]) -> AsyncIterator[bytes]:
    """One piece: it is streamed because a response that is streamed ends when its reader goes away."""
    done = sorted([answer async for answer in answers], key=lambda answer: answer.index)
    failed = sum(answer.failed for answer in done)
    written = b",".join(answer.written for answer in done)
    yield b'{"answered":%d,"failed":%d,"answers":[%b]}' % (len(done) - failed, failed, written)


async def _answers(uploads: list[Upload], ensemble: Ensemble, lane: Lane, request: Request) -> AsyncIterator[_Answer]:
    """The answers as they are done; what came of them is logged."""
    identity, facts = request.state.request_id, request.state.log
    facts.update(pictures=len(uploads), failed=0)

    async def answer(item: tuple[int, Upload]) -> _Answer:
        index, upload = item
        try:
            async with deadline.left(request.scope):
                seen, decoded = await lane.read(upload.content)
                metrics.decoded(decoded)
                counted = await lane.vote(seen.picture)
                prediction = answer_of(seen, counted, ensemble, decoded, identity)
            remember(request, index, seen.picture, counted.outcome)
            count(prediction)
            return _written(index, upload, prediction=prediction)
        except ServiceError as error:
            wrong = error
        except TimeoutError:
            wrong = TooLate()
        except Exception:  # nobody foresaw it: the other pictures' answers stand
            log.exception("unexpected error", request_id=identity)
            wrong = ServiceError()
        return _written(index, upload, error=told(wrong, identity).model_dump())

    async with aclosing(lane.finished(answer, list(enumerate(uploads)))) as finished:
        async for each in finished:
            facts["failed"] += each.failed
            yield each


def _written(index: int, upload: Upload, **outcome: dict[str, Any]) -> _Answer:
    return _Answer(index, "error" in outcome, orjson.dumps({"index": index, "name": upload.name, **outcome}))
