"""GET /metrics: what Prometheus reads."""

from typing import Annotated

from fastapi import APIRouter, Depends
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import Response

from service import metrics
from service.dependencies import get_ensemble
from service.ensemble import Ensemble
from service.errors import ServiceError, responses

router = APIRouter(tags=["status"])


@router.get(
    "/metrics",
    summary="Numbers for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}, "description": "The numbers"}, **responses(ServiceError)},
)
def read_metrics(ensemble: Annotated[Ensemble, Depends(get_ensemble)]) -> Response:
    """What was counted and measured since the start, of all workers together, in Prometheus' text format."""
    metrics.now(ensemble.health()[0], len(ensemble.queue))
    return Response(metrics.text(), media_type=CONTENT_TYPE_LATEST)
