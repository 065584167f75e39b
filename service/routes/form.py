"""POST /: the plain form of browsers without scripts, answered with a page."""

from contextlib import suppress
from typing import Any

import orjson
from fastapi import APIRouter, Request
from starlette.responses import Response
from starlette.types import Message

from service.answer_page import SIDE, digit_page, number_page, picture_of
from service.dependencies import TheEnsemble
from service.ensemble import Ensemble
from service.errors import BlankPicture, TooManyShapes
from service.html import mebibytes, page
from service.routes import predict, read
from service.upload import read_upload, whole

router = APIRouter(include_in_schema=False)


@router.post("/")
async def answer(request: Request, ensemble: TheEnsemble) -> Response:
    """One digit where there is one, else a number where there is one."""
    seconds = ensemble.settings.body_seconds
    body = await whole(request, seconds)
    told = await _told(request, body, ensemble)
    decoded = await ensemble.decode(await read_upload(_again(request, body), seconds), SIDE)
    most = mebibytes(ensemble.settings.max_bytes)
    return page("answer", request, most=most, picture=picture_of(decoded), **told)


async def _told(request: Request, body: bytes, ensemble: Ensemble) -> dict[str, Any]:
    one = await predict.vote_on(_again(request, body), explain=True)
    several = any(warning.startswith("several shapes") for warning in one["warnings"])
    if several or not one["accepted"]:
        with suppress(BlankPicture, TooManyShapes):  # there is the answer of one digit all the same
            numbers, number = await read.numbers_on(_again(request, body), ensemble, explain=True)
            if len(number.digits) > 1 and (number.accepted or one["reason"] == "more than one digit"):
                read.count(numbers)
                return number_page(number.model_dump(exclude_unset=True))
    predict.count(one)
    return digit_page(orjson.loads(orjson.dumps(one)))  # as it would be sent: votes are objects before


def _again(request: Request, body: bytes) -> Request:
    """The request as another route is to meet it, with its body whole."""

    async def receive() -> Message:
        return {"type": "http.request", "body": body}

    return Request(request.scope, receive)
