"""GET /health and GET /models: whether the service can answer, and with what."""

import asyncio

from fastapi import APIRouter, Response

from registry.manifest import GATE
from service.dependencies import TheEnsemble, TheReader
from service.errors import ServiceError, responses
from service.place import Place
from service.schemas import Canary, Health, ModelEntry, ModelHealth, Models, Tried

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
async def health(response: Response, ensemble: TheEnsemble) -> Health:
    """The state by name and, for each model, which version votes or why none does, and what else is published."""
    state, reason = ensemble.health()
    response.status_code = 200 if ensemble.able else 503
    places = ensemble.rollout.places
    return Health(
        state=state,
        reason=reason,
        device=None if ensemble.device is None else str(ensemble.device),
        quorum=ensemble.settings.quorum,
        queued=len(ensemble.queue),
        models=[_health(places[name]) for name in ensemble.settings.models],
        gate=_health(places[GATE]) if GATE in places else None,
        store=ensemble.rollout.store,
    )


@router.get(
    "/models",
    response_description="The models",
    summary="What is loaded, with its manifest",
    responses=responses(ServiceError),
)
async def models(ensemble: TheEnsemble, reader: TheReader) -> Models:
    """Each model that should vote, and the gate, with the manifest of its version: how trained, how well it does.

    Where feedback is taken, `live` says how they do on what is sent.
    """
    places = ensemble.rollout.places
    return Models(
        models=[_entry(places[name]) for name in ensemble.settings.models],
        gate=_entry(places[GATE]) if GATE in places else None,
        live=await asyncio.to_thread(reader.live, ensemble.rollout.manifests) if reader else None,
    )


def _entry(place: Place) -> ModelEntry:
    return ModelEntry(**_health(place).model_dump(), manifest=place.voter.model.manifest)


def _health(place: Place) -> ModelHealth:
    model = place.voter.model
    return ModelHealth(
        model=model.name,
        loaded=model.predict is not None,
        version=model.version,
        sha256=model.manifest.sha256 if model.manifest else None,
        reason=model.reason,
        canary=_canary(place),
        tried=[
            Tried(version=attempt.version, stage=attempt.stage, reason=attempt.reason)
            for seat in place.seats
            for attempt in seat.attempts.values()
        ],
    )


def _canary(place: Place) -> Canary | None:
    if place.canary is None or place.canary.want.exactly is None:
        return None
    model = place.canary.model
    return Canary(
        version=place.canary.want.exactly,
        percent=place.percent,
        loaded=model.predict is not None,
        sha256=model.manifest.sha256 if model.manifest else None,
        reason=model.reason,
    )
