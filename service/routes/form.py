"""POST /: the plain form of browsers without scripts, answered with a page."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response
from starlette.types import Message

from service.dependencies import get_ensemble
from service.ensemble import Ensemble
from service.html import mebibytes, page, words
from service.routes import predict, read
from service.schemas import NumberPrediction
from service.upload import whole

router = APIRouter(include_in_schema=False)


@router.post("/")
async def answer(request: Request, ensemble: Annotated[Ensemble, Depends(get_ensemble)]) -> Response:
    """One digit where there is one, else a number where there is one."""
    content = await whole(request, ensemble.settings.body_seconds)
    one = await predict.vote_on(_again(request, content), explain=True)
    several = any(warning.startswith("several shapes") for warning in one["warnings"])
    told: dict[str, Any] | None = None
    if several or not one["accepted"]:
        numbers, number = await read.numbers_on(_again(request, content), ensemble, explain=True)
        if len(number.digits) > 1 and (number.accepted or one["reason"] == "more than one digit"):
            read.count(numbers)
            told = _number(number)
    if told is None:
        predict.count(one)
        told = _digit(one)
    return page("answer", request, most=mebibytes(ensemble.settings.max_bytes), **told)


def _again(request: Request, content: bytes) -> Request:
    """The request as another route is to meet it, with its body whole."""

    async def receive() -> Message:
        return {"type": "http.request", "body": content}

    return Request(request.scope, receive)


def _digit(answer: dict[str, Any]) -> dict[str, Any]:
    seen, reason = answer["seen"], answer["reason"]
    told = words()["reasons"][reason] if reason else {"title": words()["answer"]["digit"], "text": ""}
    return {
        "answer": answer,
        "shown": str(answer["label"]),
        "title": told["title"].replace("{label}", str(answer["label"])),
        "text": told["text"],
        "steps": [*(["inverted"] if seen["polarity"] == "dark on light" else []), *seen["steps"]],
    }


def _number(answer: NumberPrediction) -> dict[str, Any]:
    told = {"title": words()["answer"]["number"], "text": ""} if answer.accepted else words()["reasons"]["number"]
    return {
        "answer": answer.model_dump(exclude_unset=True),
        "shown": answer.text.replace("\n", " "),
        "title": told["title"].replace("{text}", answer.text.replace("\n", ", ")),
        "text": told["text"],
    }
