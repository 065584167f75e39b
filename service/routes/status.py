"""GET /health and GET /models: whether the service can answer, and with what."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from service.dependencies import get_ensemble
from service.ensemble import Ensemble
from service.errors import ServiceError, responses
from service.models import Model
from service.schemas import Health, ModelEntry, ModelHealth, Models

router = APIRouter(tags=["status"])


@router.get(
    "/health",
    summary="Whether requests should be sent here",
    responses={
        200: {"description": "`ready`, or `degraded`: enough models vote, not all, or the gate is missing"},
        503: {"model": Health, "description": "`starting`, `draining` or `failed`: send requests elsewhere"},
        **responses(ServiceError),
    },
)
async def health(response: Response, ensemble: Annotated[Ensemble, Depends(get_ensemble)]) -> Health:
    """The state by name and, for each model, which version votes or why none does."""
    state, reason = ensemble.health()
    response.status_code = 200 if ensemble.able else 503
    return Health(
        state=state,
        reason=reason,
        device=None if ensemble.device is None else str(ensemble.device),
        quorum=ensemble.settings.quorum,
        queued=len(ensemble.queue),
        models=[_health(model) for model in ensemble.models],
        gate=_health(ensemble.gate) if ensemble.gate else None,
    )


@router.get(
    "/models",
    response_description="The models",
    summary="What is loaded, with its manifest",
    responses=responses(ServiceError),
)
async def models(ensemble: Annotated[Ensemble, Depends(get_ensemble)]) -> Models:
    """Each model that should vote, and the gate, with the manifest of its version: how trained, how well it does."""
    return Models(
        models=[_entry(model) for model in ensemble.models], gate=_entry(ensemble.gate) if ensemble.gate else None
    )


def _entry(model: Model) -> ModelEntry:
    return ModelEntry(**_health(model).model_dump(), manifest=model.manifest)


def _health(model: Model) -> ModelHealth:
    return ModelHealth(
        model=model.name,
        loaded=model.predict is not None,
        version=model.manifest.version if model.manifest else None,
        sha256=model.manifest.sha256 if model.manifest else None,
        reason=model.reason,
    )
