"""Pages for people: templates with words from one file, answered with a policy that lets nothing foreign in."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

PAGES = Path(__file__).parent / "pages"

# Nothing is loaded but this service's own files, and no script or style stands in a page itself.
_POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data: blob:",
    "connect-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}
_HEADERS = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-cache"}


def page(
    name: str, request: Request, status: int = 200, policy: dict[str, str] | None = None, **values: Any
) -> HTMLResponse:
    """A page from its template.

    Args:
        name: of the template, without `.html`.
        request: what is answered; links lead from its path to the others.
        status: of the answer.
        policy: directives of the Content-Security-Policy that this page needs otherwise.
        values: what the template shows.
    """
    root = "../" * (request.scope["path"].count("/") - 1) or "./"
    text = _templates().get_template(f"{name}.html").render(root=root, here=name, **values)
    rules = "; ".join(f"{rule} {sources}" for rule, sources in {**_POLICY, **(policy or {})}.items())
    return HTMLResponse(text, status, headers={**_HEADERS, "Content-Security-Policy": rules})


@cache
def words() -> dict[str, Any]:
    """All that the pages say, by page."""
    found: dict[str, Any] = json.loads((PAGES / "words.json").read_text("utf-8"))
    return found


def percent(share: float) -> str:
    """How sure a model is: never wholly, nor not at all, as answers are rounded; scripts/dom.js writes it so too."""
    if share < 0.01:
        return "< 1 %"
    shown = f"{share * 100:.1f}" if share > 0.9 else f"{share * 100:.0f}"
    return "> 99.9 %" if shown == "100.0" else f"{shown.removesuffix('.0')} %"


def warning(text: str) -> str:
    """A warning of the API in the words of the pages, which are found by how it begins."""
    return next((told for start, told in words()["warnings"].items() if text.startswith(start)), text)


def name_of(model: str) -> str:
    """A model as the pages call it."""
    return str(words()["models"].get(model, {"name": model})["name"])


def mebibytes(count: int) -> str:
    """A number of bytes as people read it."""
    return f"{count / 2**20:.3g} MB" if count >= 2**20 else f"{count / 2**10:.3g} kB"


class _Environment(Environment):
    """Jinja that takes `words.home.clear` for what the words hold, not for the dictionary's own method."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        return obj[attribute] if isinstance(obj, dict) and attribute in obj else super().getattr(obj, attribute)


@cache
def _templates() -> Environment:
    environment = _Environment(
        loader=FileSystemLoader(PAGES / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["words"] = words()
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False}  # models stand in the order of the words
    environment.filters.update(percent=percent, size=mebibytes, warning=warning, name=name_of)
    return environment
