"""The pages for people: one to draw on, the operator's, and the OpenAPI pages, all from files of our own."""

from fastapi import APIRouter, FastAPI, Request
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from service.dependencies import TheEnsemble
from service.html import PAGES, mebibytes, page, words

router = APIRouter(include_in_schema=False)

# What the scripts of a page say; its templates have all words.
_HOME = ("home", "answer", "reasons", "steps", "skipped", "warnings", "models", "errors", "problems", "call")
_DASHBOARD = ("dashboard", "states", "models")


class _Static(StaticFiles):
    """Files that browsers ask about each time, so that a page never meets the scripts of another release."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers.update({"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"})
        return response


def mount(app: FastAPI) -> None:
    """Add the pages and the files that they load."""
    app.router.routes.extend(router.routes)
    app.mount("/static", _Static(directory=PAGES), name="static")


@router.get("/")
async def home(request: Request, ensemble: TheEnsemble) -> Response:
    """Draw a digit, or give a picture of one, and see the vote; without scripts a form."""
    most, feedback = ensemble.settings.max_bytes, ensemble.settings.feedback is not None
    return page(
        "home",
        request,
        said={part: words()[part] for part in (*_HOME, *(("right",) if feedback else ()))},
        feedback=feedback,
        models=ensemble.settings.models,
        max_bytes=most,
        most=mebibytes(most),
    )


@router.get("/dashboard")
async def dashboard(request: Request) -> Response:
    """What the service is doing, for its operator; drawn from GET /metrics as it runs."""
    return page("dashboard", request, said={part: words()[part] for part in _DASHBOARD})


@router.get("/docs")
async def docs(request: Request) -> Response:
    """Swagger UI: every route, to be tried from the page."""
    return _openapi(request, "docs")


@router.get("/redoc")
async def redoc(request: Request) -> Response:
    """ReDoc: the same document, to be read."""
    return _openapi(request, "redoc")


def _openapi(request: Request, reader: str) -> Response:
    # Swagger UI writes style attributes, ReDoc's styled-components styles.
    return page("docs", request, policy={"style-src": "'self' 'unsafe-inline'"}, reader=reader)
