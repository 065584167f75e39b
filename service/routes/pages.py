"""The OpenAPI pages, from files of our own: a closed network shows them too."""

from pathlib import Path

from fastapi import APIRouter, FastAPI
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from starlette.responses import HTMLResponse, RedirectResponse
from starlette.staticfiles import StaticFiles

_PAGES = Path(__file__).parent.parent / "pages"
_STATIC = "/static"

router = APIRouter(include_in_schema=False)


def mount(app: FastAPI) -> None:
    """Add the pages and the files that they load."""
    app.include_router(router)
    app.mount(_STATIC, StaticFiles(directory=_PAGES), name="static")


@router.get("/")
async def home() -> RedirectResponse:
    """The way in, for someone who opened the address in a browser."""
    return RedirectResponse("docs")


@router.get("/docs")
async def docs() -> HTMLResponse:
    """Swagger UI: every route, to be tried from the page."""
    return get_swagger_ui_html(
        openapi_url="openapi.json",
        title="digitvote",
        swagger_js_url=f".{_STATIC}/vendor/swagger-ui/swagger-ui-bundle.js",
        swagger_css_url=f".{_STATIC}/vendor/swagger-ui/swagger-ui.css",
        swagger_favicon_url=f".{_STATIC}/vendor/swagger-ui/favicon-32x32.png",
        swagger_ui_parameters={"defaultModelsExpandDepth": 0},
    )


@router.get("/redoc")
async def redoc() -> HTMLResponse:
    """ReDoc: the same document, to be read."""
    return get_redoc_html(
        openapi_url="openapi.json",
        title="digitvote",
        redoc_js_url=f".{_STATIC}/vendor/redoc/redoc.standalone.js",
        redoc_favicon_url=f".{_STATIC}/vendor/swagger-ui/favicon-32x32.png",
        with_google_fonts=False,
    )
