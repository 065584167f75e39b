"""GET /metrics: what Prometheus reads."""

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import Response

from service import metrics
from service.dependencies import TheEnsemble, TheReader
from service.errors import ServiceError, responses
from service.live import families

router = APIRouter(tags=["status"])


@router.get(
    "/metrics",
    summary="Numbers for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}, "description": "The numbers"}, **responses(ServiceError)},
)
def read_metrics(ensemble: TheEnsemble, reader: TheReader) -> Response:
    """What was counted and measured since the start, of all workers together, in Prometheus' text format."""
    metrics.now(ensemble.health()[0], len(ensemble.queue))
    live = reader.live(ensemble.rollout.manifests) if reader else None
    return Response(metrics.text(families(live) if live else ()), media_type=CONTENT_TYPE_LATEST)
