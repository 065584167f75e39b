"""Every page, for every reader: axe-core finds nothing, nothing is cut off, and nothing foreign is loaded."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.pages.strokes import SCRIBBLE, draw, draw_strokes
from tests.support import ROOT

AXE = (ROOT / "tests" / "pages" / "axe" / "axe.min.js").read_text()
PHONE = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True}
LARGE = {"viewport": {"width": 3840, "height": 2160}}
DARK = {"color_scheme": "dark"}


def found(page: Page, but: str = "[]") -> list[str]:
    """What axe-core objects to on a page as it stands, `but` a part of it."""
    page.evaluate(AXE)
    breaches = page.evaluate(f"axe.run({{ exclude: {but} }}).then((result) => result.violations)")
    return [f"{breach['id']}: {node['html']}" for breach in breaches for node in breach["nodes"]]


def overhang(page: Page) -> float:
    """By how much the page is wider than its window."""
    return float(page.evaluate("document.documentElement.scrollWidth - innerWidth"))


def nothing(page: Page) -> None:
    expect(page.locator(".empty")).to_be_visible()


def a_digit(page: Page) -> None:
    draw(page, 7)
    expect(page.locator(".verdict h3")).to_have_text("The digit is 7")


def a_number(page: Page) -> None:
    page.locator('[data-file="number.png"]').click()
    expect(page.locator(".detail")).to_be_visible()


def no_digit(page: Page) -> None:
    draw_strokes(page, SCRIBBLE)
    expect(page.locator(".verdict.doubtful")).to_be_visible()


def a_problem(page: Page) -> None:
    page.locator("#choose").set_input_files({"name": "a.png", "mimeType": "image/png", "buffer": b"none"})
    expect(page.locator("#trouble h3")).to_be_visible()


STATES: list[Callable[[Page], None]] = [nothing, a_digit, a_problem, a_number, no_digit]


@pytest.mark.parametrize("page", [PHONE, DARK], indirect=True, ids=["phone", "dark"])
def test_every_state_can_be_read_by_all(page: Page) -> None:
    """In each state of the start page axe-core finds nothing and nothing is wider than the window."""
    for state in STATES:
        state(page)
        assert found(page) == [], state.__name__
        assert overhang(page) <= 0, state.__name__
        if state != nothing:
            page.locator("#clear").click()


@pytest.mark.parametrize("page", [LARGE], indirect=True, ids=["4k"])
def test_a_large_screen_is_filled(page: Page) -> None:
    """At 4k the text and the paper grow with the window, and nothing is wider than it."""
    a_number(page)
    assert overhang(page) <= 0
    paper = page.locator("#paper").bounding_box()
    assert paper is not None
    assert paper["width"] > 3840 / 5
    assert page.evaluate("parseFloat(getComputedStyle(document.body).fontSize)") > 20


@pytest.mark.parametrize("page", [PHONE, DARK], indirect=True, ids=["phone", "dark"])
@pytest.mark.parametrize("path", ["/report", "/dashboard", "/nowhere"])
def test_every_page_can_be_read_by_all(page: Page, path: str) -> None:
    """On the other pages too, and on the one that tells of an error."""
    page.goto(path)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert found(page) == []
    assert overhang(page) <= 0


@pytest.mark.parametrize("page", [{}, DARK], indirect=True, ids=["light", "dark"])
def test_the_openapi_pages_work_under_their_policy(page: Page) -> None:
    """Swagger UI and ReDoc draw every route under the site's header, in dark too, and break no policy."""
    dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    name = "Read the digit on a picture"
    for path, route in (
        ("/docs", page.get_by_role("button", name=name)),
        ("/redoc", page.get_by_role("heading", name=name)),
    ):
        page.goto(path)
        expect(route.first).to_be_visible()
        expect(page.get_by_role("link", name="API", exact=True)).to_have_attribute("aria-current", "page")
        assert found(page, "['#api']") == []
        ground = page.locator("#api").evaluate("each => getComputedStyle(each).backgroundColor")
        assert (int(ground[4:].split(",")[0]) < 60) == dark


LOADED = (
    "/",
    "/static/frame.css",
    "/static/style.css",
    "/static/icon.svg",
    *(f"/static/scripts/{name}.js" for name in ("answer", "ask", "call", "dom", "home", "paper")),
    *(f"/static/examples/thumbs/{name}.webp" for name in ("four", "number", "seven", "three")),
)


def test_the_start_page_is_small(page: Page) -> None:
    """`/` loads these files alone, less than 100 kB in all."""
    page.wait_for_load_state("networkidle")
    entries = "['navigation', 'resource'].flatMap((kind) => performance.getEntriesByType(kind))"
    loaded = page.evaluate(f"{entries}.map(({{ name, transferSize }}) => [new URL(name).pathname, transferSize])")
    assert sorted({path for path, _ in loaded}) == sorted(LOADED)
    assert min(size for _, size in loaded) > 0
    assert sum(size for _, size in loaded) < 100_000
