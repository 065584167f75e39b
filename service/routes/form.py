"""POST /: the plain form of browsers without scripts, answered with a page."""

import asyncio
import json
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response
from starlette.types import Message

from service.dependencies import get_ensemble
from service.ensemble import Ensemble
from service.errors import SlowBody
from service.html import mebibytes, page, words
from service.routes.predict import predict
from service.routes.read import read
from service.schemas import NumberPrediction

router = APIRouter(include_in_schema=False)


@router.post("/")
async def answer(request: Request, ensemble: Annotated[Ensemble, Depends(get_ensemble)]) -> Response:
    """One digit where there is one, else a number where there is one."""
    try:
        async with asyncio.timeout(ensemble.settings.body_seconds):
            content = await request.body()
    except TimeoutError as error:
        raise SlowBody from error
    one = json.loads(bytes((await predict(_again(request, content))).body))
    several = any(warning.startswith("several shapes") for warning in one["warnings"])
    number = None if one["accepted"] and not several else await read(_again(request, content), ensemble, explain=True)
    told = _digit(one)
    if number and len(number.digits) > 1 and (number.accepted or one["reason"] == "more than one digit"):
        told = _number(number)
    return page("answer", request, most=mebibytes(ensemble.settings.max_bytes), **told)


def _again(request: Request, content: bytes) -> Request:
    """The request as another route is to meet it: to be explained, with its body whole."""

    async def receive() -> Message:
        return {"type": "http.request", "body": content}

    return Request({**request.scope, "query_string": b"explain=true"}, receive)


def _digit(answer: dict[str, Any]) -> dict[str, Any]:
    seen, reason = answer["seen"], answer["reason"]
    told = words()["reasons"][reason] if reason else {"title": words()["answer"]["digit"], "text": ""}
    return {
        "answer": answer,
        "shown": str(answer["label"]),
        "title": told["title"].replace("{label}", str(answer["label"])),
        "text": told["text"],
        "steps": [*(["inverted"] if seen["polarity"] == "light on dark" else []), *seen["steps"]],
    }


def _number(answer: NumberPrediction) -> dict[str, Any]:
    told = {"title": words()["answer"]["number"], "text": ""} if answer.accepted else words()["reasons"]["number"]
    return {
        "answer": answer.model_dump(exclude_unset=True),
        "shown": answer.text.replace("\n", " "),
        "title": told["title"].replace("{text}", answer.text.replace("\n", ", ")),
        "text": told["text"],
    }
