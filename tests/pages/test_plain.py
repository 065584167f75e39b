"""Without JavaScript: a form that is answered with a page."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.support import ROOT

EXAMPLES = ROOT / "docs" / "examples"
PLAIN = {"java_script_enabled": False}
pytestmark = pytest.mark.parametrize("page", [PLAIN], indirect=True, ids=["no JavaScript"])


def send(page: Page, name: str) -> None:
    page.get_by_label("A picture of a digit or a number").set_input_files(EXAMPLES / name)
    page.get_by_role("button", name="Read it").click()


def test_a_form_is_answered_with_a_page(page: Page) -> None:
    """The digit, how sure, the votes and what the models saw stand on the page, with a form for the next picture."""
    expect(page.locator("#paper")).to_be_hidden()
    send(page, "seven.png")
    expect(page.get_by_role("heading", level=1)).to_have_text("The digit is 7")
    expect(page.locator(".sure")).to_have_text(re.compile(r"^(> )?[\d.]+ % sure$"))
    expect(page.locator(".verdict")).to_contain_text("All 3 models agree.")
    expect(page.locator(".boxes rect")).to_have_count(1)
    expect(page.locator(".vote .said b")).to_have_text(["7"] * 3)
    expect(page.locator(".seen img")).to_be_visible()
    send(page, "four.png")
    expect(page.get_by_role("heading", level=1)).to_have_text("The digit is 4")


def test_a_number_is_answered_too(page: Page) -> None:
    """Each digit of a number is boxed on the picture and has its votes; how sure, and who agrees, is told."""
    send(page, "number.png")
    expect(page.get_by_role("heading", level=1)).to_have_text("The number is 29168")
    expect(page.locator(".seen img")).to_have_count(5)
    expect(page.locator(".sure")).to_contain_text("sure of its least clear digit")
    expect(page.locator(".verdict")).to_contain_text("All 3 models agree on every digit.")
    expect(page.locator(".boxes rect:not(.left)")).to_have_count(5)
    picture = page.locator(".boxes image").bounding_box()
    assert picture is not None
    for box in [each.bounding_box() for each in page.locator(".boxes rect:not(.left)").all()]:
        assert box is not None
        assert picture["x"] < box["x"] < box["x"] + box["width"] < picture["x"] + picture["width"]


def test_a_problem_is_a_page_too(page: Page) -> None:
    """A file that is no picture is told of in words, with a way back."""
    send(page, "../serving.md")
    expect(page.get_by_role("heading", level=1)).to_have_text("This is not a picture that can be read")
    page.get_by_role("link", name="Back to the start").click()
    expect(page.get_by_role("button", name="Read it")).to_be_visible()
