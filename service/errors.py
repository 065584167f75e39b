"""The one table from what went wrong to the status, the words and the page of documentation of it.

Every error of the service is answered as RFC 9457 `application/problem+json`, below /v2 as the Open Inference Protocol
has it.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, ClassVar

from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

import imaging.errors

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 1
VARY = {"Vary": "Accept"}  # for caches, of whatever is written otherwise where the request's Accept is another
_PROBLEM = "#/components/schemas/Problem"


class Problem(BaseModel):
    """What was wrong and what to do about it."""

    type: str = Field(
        description="which error this is, stable across releases", examples=["urn:digitvote:blank-picture"]
    )
    title: str = Field(examples=["The picture is blank"])
    status: int = Field(examples=[422])
    detail: str = Field(description="what was wrong with this request, and what to do")
    request_id: str = Field(description="also in the X-Request-ID header and in the log")


class ServiceError(Exception):
    """A request that cannot be answered; subclasses are the rows of the table."""

    status: ClassVar[int] = 500
    name: ClassVar[str] = "internal"
    title: ClassVar[str] = "Something went wrong here"
    default: ClassVar[str] = "It is not your request's fault. Try again; if it stays, report the request id."

    def __init__(self, detail: str | None = None) -> None:
        super().__init__(detail or self.default)


class BadRequest(ServiceError):
    status, name, title = 400, "bad-request", "The request cannot be parsed"
    default = "Send multipart/form-data with the picture in the field 'file'."


class NoKey(ServiceError):
    status, name, title = 401, "no-key", "A key is needed"
    default = "Send one as 'Authorization: Bearer KEY' or 'X-API-Key: KEY'. Whoever runs this service gives them out."


class WrongKey(ServiceError):
    status, name, title = 403, "wrong-key", "This key is not known here"
    default = "It was mistyped, or is no longer taken. Whoever runs this service gives out another."


class NotFound(ServiceError):
    status, name, title = 404, "not-found", "There is no such page"
    default = "The routes are listed at /docs."


class FeedbackOff(ServiceError):
    status, name, title = 404, "feedback-off", "Feedback is not taken here"
    default = "Whoever runs this service switches it on by DIGITVOTE_FEEDBACK=FILE, which names where it is kept."


class UnknownAnswer(ServiceError):
    status, name, title = 404, "unknown-answer", "No such answer is remembered"
    default = (
        "The request id or the index is none of an answer, or of one that was given too long ago. Send what its "
        "receipt has, soon after."
    )


class MethodNotAllowed(ServiceError):
    status, name, title = 405, "method-not-allowed", "This route has another method"
    default = "The routes and their methods are listed at /docs."


class SlowBody(ServiceError):
    status, name, title = 408, "slow-body", "The upload took too long"
    default = "Its body did not come whole in time. Send it again, smaller or over a faster connection."


class SlowHead(ServiceError):
    status, name, title = 408, "slow-head", "The request took too long"
    default = "Its first line and header did not come whole in time. Send it again over a faster connection."


class BodyTooLarge(ServiceError):
    status, name, title = 413, "body-too-large", "The upload is too large"
    default = "Send a smaller file, for instance the picture scaled down."


class NotAPicture(ServiceError):
    status, name, title = 415, "not-a-picture", "This is not a picture that can be read"
    default = imaging.errors.NotAPicture.default


class BrokenPicture(ServiceError):
    status, name, title = 415, "broken-picture", "The picture is damaged"
    default = imaging.errors.BrokenPicture.default


class BrokenArchive(ServiceError):
    status, name, title = 415, "broken-archive", "The archive cannot be opened"
    default = "It is damaged, or no ZIP. Pack the pictures again, or send each as a form field of its own."


class UnknownEncoding(ServiceError):
    status, name, title = 415, "unknown-encoding", "The body is packed in a way that is not known"
    default = "Its Content-Encoding may be gzip or deflate. Send it so, or unpacked."


class NoFile(ServiceError):
    status, name, title = 422, "no-file", "No file was sent"
    default = "Send multipart/form-data with the picture in the field 'file', as curl -F file=@digit.png does."


class EmptyFile(ServiceError):
    status, name, title = 422, "empty-file", "The file is empty"
    default = "The field 'file' holds 0 bytes. Check the path and send the picture itself."


class WrongHost(ServiceError):
    status, name, title = 421, "wrong-host", "This host has another name"
    default = "Ask for it by the name that its operator gave it; that is what the request's Host must say."


class TooManyPixels(ServiceError):
    status, name, title = 422, "too-many-pixels", "The picture has too many pixels"
    default = imaging.errors.TooManyPixels.default


class TooManyPictures(ServiceError):
    status, name, title = 422, "too-many-pictures", "Too many pictures at once"
    default = "One request takes 256 pictures at most. Send them in several requests."


class BlankPicture(ServiceError):
    status, name, title = 422, "blank-picture", "The picture is blank"
    default = imaging.errors.BlankPicture.default


class TooManyShapes(ServiceError):
    status, name, title = 422, "too-many-shapes", "The picture holds too many shapes"
    default = imaging.errors.TooManyShapes.default


class WrongFeedback(ServiceError):
    status, name, title = 422, "wrong-feedback", "The feedback says nothing that can be kept"
    default = 'Send {"request_id": "…", "label": 7} as application/json, with a label from 0 to 9.'


class TooOften(ServiceError):
    status, name, title = 429, "too-often", "Too many requests of one sender"
    default = "RateLimit-Policy says how many are taken. Try again after the seconds that Retry-After says."


class HeadTooLarge(ServiceError):
    status, name, title = 431, "head-too-large", "The request's header is too large"
    default = "At most 32 KiB and 100 fields are taken. Send fewer or shorter ones, cookies among them."


class Busy(ServiceError):
    status, name, title = 503, "busy", "Too many requests at once"
    default = "As many requests are in flight as are taken at once. Try again after the seconds that Retry-After says."


class FeedbackUnavailable(ServiceError):
    status, name, title = 503, "feedback-unavailable", "Feedback cannot be kept now"
    default = "The store cannot be written; the service's log says why. Predictions are answered all the same."


class NotReady(ServiceError):
    status, name, title = 503, "not-ready", "The service is not ready"
    default = "It is starting or shutting down. Try again after the seconds that Retry-After says."


class NoQuorum(ServiceError):
    status, name, title = 503, "no-quorum", "Too few models can vote"
    default = "Fewer models than the quorum gave a vote. /health says which are missing and why."


class TooLate(ServiceError):
    status, name, title = 504, "too-late", "The answer did not come in time"
    default = "The request's deadline passed before it was answered. Allow more time, or send it when less is going on."


class FeedbackFull(ServiceError):
    status, name, title = 507, "feedback-full", "There is no room for more feedback"
    default = "Whoever runs this service makes room. Predictions are answered all the same."


def capital(text: str) -> str:
    """A text with a capital first, and all else as it was: names and addresses stay what they are."""
    return text[:1].upper() + text[1:]


def all_errors() -> list[type[ServiceError]]:
    """Every row of the table, by status."""
    return sorted([ServiceError, *ServiceError.__subclasses__()], key=lambda error: (error.status, error.name))


def told(error: ServiceError, request_id: str) -> Problem:
    """An error as its sender reads it."""
    return Problem(
        type=f"urn:digitvote:{error.name}",
        title=error.title,
        status=error.status,
        detail=str(error),
        request_id=request_id,
    )


class _Answer(JSONResponse):
    """An error, written as its sender's protocol has it, which the path tells."""

    def __init__(self, body: Problem, headers: Mapping[str, str]) -> None:
        super().__init__(body.model_dump(), body.status, headers=headers, media_type=MEDIA_TYPE)
        self._plain = JSONResponse({"error": body.detail}, body.status, headers=headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if f"{scope['path']}/".startswith("/v2/"):
            await self._plain(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def problem(error: ServiceError, request_id: str, headers: Mapping[str, str] | None = None) -> Response:
    """The answer that an error gives."""
    body = told(error, request_id)
    retry = {"Retry-After": str(RETRY_AFTER_SECONDS)} if error.status == HTTPStatus.SERVICE_UNAVAILABLE else {}
    given = {**VARY, **retry, **(headers or {})}
    return _Answer(body, given)


def responses(*errors: type[ServiceError]) -> dict[int | str, dict[str, Any]]:
    """The errors of a route as its OpenAPI page shows them, with an example each."""
    found: dict[int | str, dict[str, Any]] = {}
    for error in errors:
        entry = found.setdefault(
            error.status,
            {"description": "", "content": {MEDIA_TYPE: {"schema": {"$ref": _PROBLEM}, "examples": {}}}},
        )
        entry["description"] = "; ".join(filter(None, [entry["description"], error.title]))
        entry["content"][MEDIA_TYPE]["examples"][error.name] = {
            "summary": error.title,
            "value": Problem(
                type=f"urn:digitvote:{error.name}",
                title=error.title,
                status=error.status,
                detail=error.default,
                request_id="01JD8X3W5E9Q2R7T4Y6U8A1B2C",
            ).model_dump(),
        }
    return found


def describe(document: dict[str, Any]) -> dict[str, Any]:
    """Add the schema that `responses` refers to, which no route returns, to an OpenAPI document."""
    document["components"]["schemas"]["Problem"] = Problem.model_json_schema()
    return document
