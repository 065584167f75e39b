"""POST /read: a picture of numbers in, their digits out, each with its votes."""

import time
from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Request

from service import metrics
from service.dependencies import TheEnsemble, remember
from service.engine.queue import Counted
from service.ensemble import Ensemble
from service.errors import TooManyShapes, responses
from service.numbers import Digit, Numbers
from service.routes.parts import UPLOAD_ERRORS, body, missing_of, ms, place_of, png_of, votes_of
from service.schemas import LeftOut, NumberDigit, NumberLine, NumberLook, NumberPrediction, NumberReceipt
from service.upload import read_upload

router = APIRouter(tags=["predict"])


@router.post(
    "/read",
    summary="Read the numbers on a picture",
    response_description="The numbers",
    response_model_exclude_unset=True,
    responses=responses(*UPLOAD_ERRORS, TooManyShapes),
    openapi_extra=body("a picture of numbers, each in a line"),
)
async def read(
    request: Request,
    ensemble: TheEnsemble,
    explain: Annotated[bool, Query(description="add `seen`, and to each digit its `picture` and `steps`")] = False,
) -> NumberPrediction:
    """Send a picture of handwritten numbers as the multipart field `file`.

    Its lines are found and cut into digits, also where these touch: of several ways to cut them the one that the models
    find most probable is taken. What is no digit, as a frame, a comma or a minus, stands in `skipped` with a reason.
    """
    numbers, answer = await numbers_on(request, ensemble, explain=explain)
    count(numbers)
    return answer


async def numbers_on(request: Request, ensemble: Ensemble, *, explain: bool) -> tuple[Numbers, NumberPrediction]:
    """The numbers of an upload and the answer that tells them, not counted yet: who sends it counts it."""
    ensemble.check()
    content = await read_upload(request, ensemble.settings.body_seconds)
    started = time.perf_counter()
    page = await ensemble.read_page(content)
    decoded = time.perf_counter() - started
    metrics.decoded(decoded)
    counted = await ensemble.vote_all([piece.picture for row in page.rows for piece in row.pieces])
    numbers = await ensemble.find_numbers(page, [each.outcome for each in counted])
    for item, digit in enumerate(digit for line in numbers.lines for digit in line.digits):
        remember(request, item, digit.piece.picture, digit.outcome)
    answer = NumberPrediction(
        text=numbers.text,
        accepted=False,
        rule=ensemble.settings.rule,
        warnings=[*page.warnings, *([] if numbers.lines else ["no digit was found"])],
        lines=[NumberLine(text=line.text, box=place_of(line.box)) for line in numbers.lines],
        digits=_digits(numbers, explain=explain),
        skipped=[LeftOut(reason=each.reason, box=place_of(each.box)) for each in numbers.skipped],
        missing=list({vote.model: vote for each in counted for vote in missing_of(each.outcome)}.values()),
        receipt=_receipt(counted, decoded, str(ensemble.device), request.state.request_id),
    )
    if explain:
        answer.seen = NumberLook(polarity=page.polarity, turn=page.turn, steps=list(page.steps))
    answer.accepted = bool(answer.digits) and all(digit.accepted for digit in answer.digits)
    request.state.log.update(
        digits=len(answer.digits), pieces=len(counted), batch_size=answer.receipt.batch_size, bytes=len(content)
    )
    return numbers, answer


def count(numbers: Numbers) -> None:
    """Count each digit of an answer that is sent."""
    for digit in (digit for line in numbers.lines for digit in line.digits):
        outcome = digit.outcome
        metrics.answered(outcome.label, outcome.agreement, outcome.reason or (None if digit.certain else "unsure"))


def _digits(numbers: Numbers, *, explain: bool) -> list[NumberDigit]:
    return [
        _digit(digit, line, explain=explain) for line, number in enumerate(numbers.lines) for digit in number.digits
    ]


def _digit(digit: Digit, line: int, *, explain: bool) -> NumberDigit:
    outcome = digit.outcome
    shown = NumberDigit(
        label=outcome.label,
        line=line,
        box=place_of(digit.box),
        confidence=outcome.confidence,
        agreement=outcome.agreement,
        accepted=outcome.reason is None and digit.certain,
        votes=votes_of(outcome),
    )
    if explain:
        shown.picture = png_of(digit.piece.picture)
        shown.steps = list(digit.piece.steps)
    return shown


def _receipt(counted: Sequence[Counted], decoded: float, device: str, request_id: str) -> NumberReceipt:
    return NumberReceipt(
        request_id=request_id,
        decode_ms=ms(decoded),
        queue_ms=ms(max((each.queue_seconds for each in counted), default=0)),
        inference_ms=ms(max((each.inference_seconds for each in counted), default=0)),
        batch_size=max((each.batch_size for each in counted), default=0),
        device=device,
        pieces=len(counted),
    )
