"""GET /report: the models for people, each version with its figures, curves, mistakes and how it was made."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import FileResponse, Response

from registry.manifest import GATE
from service import metrics
from service.dependencies import get_ensemble
from service.ensemble import Ensemble
from service.errors import NotFound
from service.html import page
from service.report import picture_path, read_versions, vote_of

router = APIRouter(include_in_schema=False)


@router.get("/report")
def report(request: Request, ensemble: Annotated[Ensemble, Depends(get_ensemble)]) -> Response:
    """Every model that votes, and the gate, with its newest versions side by side."""
    loaded = {model.name: model.manifest.version for model in ensemble.models if model.manifest and model.predict}
    if ensemble.gate and ensemble.gate.manifest and ensemble.gate.predict:
        loaded[GATE] = ensemble.gate.manifest.version
    root = ensemble.settings.root
    models = [(name, *read_versions(root, name, loaded.get(name))) for name in (*ensemble.settings.models, GATE)]
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
def picture(
    model: str, version: int, picture: str, ensemble: Annotated[Ensemble, Depends(get_ensemble)]
) -> FileResponse:
    """A picture of a version's report, if its manifest lists it."""
    path = picture_path(ensemble.settings.root, model, version, picture)
    if path is None or not path.is_file():
        raise NotFound("There is no such picture. /report shows those that there are.")
    return FileResponse(path, media_type="image/png", headers={"X-Content-Type-Options": "nosniff"})
