"""What routes ask the application for."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Depends, Request

from registry.rules import Floats
from service.ensemble import Ensemble
from service.feedback import Feedback
from service.lane import Lane
from service.live import Reader
from service.vote import Outcome


def get_ensemble(request: Request) -> Ensemble:
    """The application's ensemble."""
    ensemble: Ensemble = request.app.state.ensemble
    return ensemble


def get_lane(request: Request) -> Lane:
    """The application's lane for requests of many pictures."""
    lane: Lane = request.app.state.lane
    return lane


def get_feedback(request: Request) -> Feedback | None:
    """What takes feedback, if it is taken."""
    feedback: Feedback | None = request.app.state.feedback
    return feedback


def get_live(request: Request) -> Reader | None:
    """What reads how the models do by feedback, if it is taken."""
    live: Reader | None = request.app.state.live
    return live


def remember(request: Request, item: int, picture: Floats, outcome: Outcome) -> None:
    """Have an answer to the request's picture [1, 28, 28] of this number remembered, where feedback is taken."""
    feedback = get_feedback(request)
    if feedback is not None:
        feedback.remember(request.state.request_id, item, picture, outcome)


def _at_once(get: Callable[[Request], object]) -> Any:
    """On the event loop: FastAPI asks plain functions in a thread, and /health must be told though there is none."""

    async def ask(request: Request) -> object:
        return get(request)

    return Depends(ask)


TheEnsemble = Annotated[Ensemble, _at_once(get_ensemble)]
TheLane = Annotated[Lane, _at_once(get_lane)]
TheFeedback = Annotated[Feedback | None, _at_once(get_feedback)]
TheReader = Annotated[Reader | None, _at_once(get_live)]
