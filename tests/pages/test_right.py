"""Was it right? The buttons that a service shows where it takes feedback."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from registry.feedback import Store
from service.app import create_app
from service.settings import Settings
from tests.pages.conftest import start_page
from tests.pages.strokes import draw
from tests.support import ROOT, hosting, wait_until_loaded

AXE = (ROOT / "tests" / "pages" / "axe" / "axe.min.js").read_text()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the feedback is kept."""
    return tmp_path_factory.mktemp("store") / "feedback.db"


@pytest.fixture(scope="module")
def fed(release: Path, store: Path) -> Iterator[str]:
    """The address of a service that takes feedback."""
    with hosting(create_app(Settings(artifacts=release, feedback=store))) as client:
        assert wait_until_loaded(client)["state"] == "ready"
        yield str(client.base_url)


@pytest.fixture
def asking(browser: Browser, fed: str) -> Iterator[Page]:
    """Its start page in a window of its own; it must do no fault."""
    with start_page(browser, fed) as opened:
        yield opened


def kept(store: Path) -> list[tuple[int, int, int]]:
    """Of each answer with feedback the item, what was answered and what is right."""
    with Store(store, read_only=True) as opened:
        return [(told.answer.item, told.answer.label, told.truth) for told in opened.told()]


def test_without_feedback_nothing_is_asked(page: Page) -> None:
    """Where the service takes none the page has no such buttons."""
    draw(page, 7)
    expect(page.locator(".verdict h3")).to_have_text("The digit is 7")
    expect(page.locator("#right")).to_have_count(0)


def test_a_person_says_what_is_right_with_the_mouse_and_with_keys(asking: Page, store: Path) -> None:
    """Yes keeps the label that was answered, No asks which it is; the last counts, and all goes without a mouse."""
    expect(asking.locator("#right")).to_be_hidden()
    draw(asking, 7)
    expect(asking.locator("#right-question")).to_have_text("Was the 7 right?")
    asking.get_by_role("button", name="Yes").click()
    expect(asking.locator("#right-said")).to_have_text("Thank you: it is kept as a 7.")
    assert kept(store) == [(0, 7, 7)]
    asking.get_by_role("button", name="No").focus()
    asking.keyboard.press("Enter")
    expect(asking.locator("#right-no")).to_have_attribute("aria-expanded", "true")
    expect(asking.locator('[data-label="7"]')).to_be_hidden()  # what No denies is not offered
    for _ in range(2):  # past the 0 to the 1
        asking.keyboard.press("Tab")
    asking.keyboard.press("Space")
    expect(asking.locator("#right-said")).to_have_text("Thank you: it is kept as a 1.")
    expect(asking.locator("#right-digits")).to_be_hidden()
    expect(asking.locator("#right-no")).to_be_focused()
    assert kept(store) == [(0, 7, 1)]
    asking.locator("#clear").click()
    expect(asking.locator("#right")).to_be_hidden()


def test_each_digit_of_a_number_is_asked_about(asking: Page, store: Path) -> None:
    """Of a number it is the digit that is chosen; a problem is told where it arises."""
    asking.get_by_role("button", name="Example: a number").click()
    expect(asking.locator(".digits button")).to_have_count(5)
    asking.locator(".digits button").nth(2).click()
    label = asking.locator(".digits button b").nth(2).inner_text()
    expect(asking.locator("#right-question")).to_have_text(f"Was the {label} right?")
    asking.get_by_role("button", name="Yes").click()
    expect(asking.locator("#right-said")).to_have_text(f"Thank you: it is kept as a {label}.")
    assert kept(store)[-1] == (2, int(label), int(label))
    problem = {"type": "urn:digitvote:feedback-full", "title": "", "status": 507, "detail": "", "request_id": "a"}
    asking.route("**/feedback", lambda route: route.fulfill(status=507, body=json.dumps(problem)))
    asking.get_by_role("button", name="Yes").click()
    expect(asking.locator("#right-said")).to_contain_text("There is no room for more.")


def test_axe_finds_nothing_wrong(asking: Page) -> None:
    """With the digits to choose from shown, no rule of WCAG 2.2 that axe knows is broken."""
    draw(asking, 7)
    asking.get_by_role("button", name="No").click()
    asking.evaluate(AXE)
    found = asking.evaluate("axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa'] })")
    assert [(fault["id"], [node["html"] for node in fault["nodes"]]) for fault in found["violations"]] == []
