"""GET /health/live and /health/ready: what an orchestrator asks before it restarts this, or sends requests here."""

from typing import Any

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from service.dependencies import TheEnsemble
from service.ensemble import Ensemble
from service.errors import ServiceError, responses
from service.schemas import State

router = APIRouter(tags=["status"])


class Probe(BaseModel):
    """What a probe is told."""

    state: State = Field(description="as /health has it")
    reason: str | None = Field(description="why it is not `ready`")


def _answers(good: str, bad: str) -> dict[int | str, dict[str, Any]]:
    return {
        200: {"description": good},
        503: {"model": Probe, "description": bad},
        **responses(ServiceError),
    }


@router.get(
    "/health/live",
    summary="Whether this process can go on",
    responses=_answers("it goes on, ready or not", "the device or the batcher has failed for good: start it anew"),
)
async def live(response: Response, ensemble: TheEnsemble) -> Probe:
    """200 while it answers and nothing has failed that only a new process would mend, which missing models are not."""
    return _probe(response, ensemble, ensemble.alive)


@router.get(
    "/health/ready",
    summary="Whether requests should be sent here, in short",
    responses=_answers("`ready` or `degraded`", "`starting`, `draining` or `failed`: send requests elsewhere"),
)
async def ready(response: Response, ensemble: TheEnsemble) -> Probe:
    """The status of /health without its models."""
    return _probe(response, ensemble, ensemble.able)


def _probe(response: Response, ensemble: Ensemble, good: bool) -> Probe:
    response.status_code = 200 if good else 503
    state, reason = ensemble.health()
    return Probe(state=state, reason=reason)
