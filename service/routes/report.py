"""GET /report: the models for people, each version with its figures, curves, mistakes and how it was made."""

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from service import metrics
from service.dependencies import TheEnsemble
from service.errors import NotFound
from service.html import page
from service.report import Published, vote_of

router = APIRouter(include_in_schema=False)


@router.get("/report")
async def report(request: Request, ensemble: TheEnsemble) -> Response:
    """Every model that votes, and the gate, with its newest versions side by side."""
    return await run_in_threadpool(_page, request, await ensemble.published())


def _page(request: Request, models: list[Published]) -> Response:
    versions = [version for _, versions, _ in models for version in versions]
    return page(
        "report",
        request,
        models=[model for model in models if model[1]],
        shown=[version for version in versions if version.manifest],
        broken=[version for version in versions if not version.manifest],
        vote=vote_of([version for version in versions if version.served]),
        seconds=metrics.inference_seconds(),
    )


@router.get("/report/{model}/{version}/{picture}")
async def picture(model: str, version: int, picture: str, ensemble: TheEnsemble) -> Response:
    """A picture of a version's report, if its manifest lists it."""
    content = await ensemble.picture(model, version, picture)
    if content is None:
        raise NotFound("There is no such picture. /report shows those that there are.")
    return Response(content, media_type="image/png", headers={"X-Content-Type-Options": "nosniff"})
