"""Drawing: with mouse, pen, finger and keys."""

import re

import pytest
from playwright.sync_api import Page, Route, expect

from service.html import percent
from tests.pages.strokes import SPLIT, STROKES, draw, draw_strokes

PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True, "device_scale_factor": 2}


def verdict(page: Page, label: int | str) -> None:
    expect(page.locator(".verdict h3")).to_have_text(f"The digit is {label}")


def test_a_digit_drawn_with_the_mouse_is_read(page: Page) -> None:
    """Each digit, drawn as people do, is named by all three models' votes with nothing to press."""
    for digit in range(10):
        draw(page, digit)
        verdict(page, digit)
        expect(page.locator(".vote .said b")).to_have_text([str(digit)] * 3)
        expect(page.locator("#said")).to_contain_text(re.compile(rf"The digit is {digit}\. .* sure"))
        page.locator("#clear").click()


def test_what_the_models_saw_is_shown(page: Page) -> None:
    """The 28x28, what was done to it, how sure, who agrees and what it cost stand there."""
    draw(page, 7)
    verdict(page, 7)
    expect(page.locator(".sure")).to_have_text(re.compile(r"^(> )?[\d.]+ % sure$"))
    expect(page.locator(".verdict")).to_contain_text("All 3 models agree.")
    seen = page.locator(".seen img")
    assert seen.evaluate("image => [image.naturalWidth, image.naturalHeight]") == [28, 28]
    expect(page.locator(".seen li").last).to_have_text("centred")
    expect(page.locator(".bars").first).to_have_attribute("aria-label", re.compile(r"^MLP votes 7, .* sure; next is"))
    expect(page.locator("#boxes rect")).to_have_count(1)


def test_shares_are_written_alike(page: Page) -> None:
    """The scripts write a share as the pages without scripts do."""
    shares = [1, 0.9996, 0.9994, 0.95, 0.9001, 0.9, 0.64, 0.01, 0.0099, 0]
    program = (
        "async (shares) => { const { percent } = await import('/static/scripts/dom.js'); return shares.map(percent); }"
    )
    assert page.evaluate(program, shares) == [percent(share) for share in shares]


def test_a_split_is_told(page: Page) -> None:
    """Of a digit that the models read differently the page says who is for which."""
    draw_strokes(page, SPLIT)
    verdict(page, 9)
    labels = page.locator(".vote .said b").all_inner_texts()
    assert sorted(labels) == ["4", "9", "9"]
    other = ("MLP", "CNN", "LeNet-5")[labels.index("4")]
    expect(page.locator(".verdict")).to_contain_text(f"2 of 3 models say 9; {other} says 4.")
    expect(page.locator(".vote.other strong")).to_have_text([other])


def test_strokes_are_undone_and_cleared(page: Page) -> None:
    """Undo takes the last stroke back and reads what is left; clear empties the paper, and undo brings it back."""
    expect(page.locator("#undo")).to_be_disabled()
    draw(page, 1)
    verdict(page, 1)
    draw(page, 7)
    expect(page.locator(".verdict h3")).not_to_have_text("The digit is 1")
    page.locator("#undo").click()
    verdict(page, 1)
    page.locator("#clear").click()
    expect(page.locator(".empty")).to_be_visible()
    expect(page.locator("#clear")).to_be_disabled()
    page.keyboard.press("Control+z")
    verdict(page, 1)


def test_a_stroke_is_taken_back_while_it_is_drawn(page: Page) -> None:
    """Ctrl+Z with the pen down gives up that stroke alone: what was there before stays, and is read again."""
    draw(page, 7)
    verdict(page, 7)
    box = page.locator("#paper").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 60, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 200, box["y"] + 300)
    expect(page.locator("#boxes rect")).to_have_count(0)
    page.keyboard.press("Control+z")
    page.mouse.move(box["x"] + 300, box["y"] + 100)
    page.mouse.up()
    verdict(page, 7)
    expect(page.locator("#boxes rect")).to_have_count(1)
    page.keyboard.press("Control+z")
    expect(page.locator(".empty")).to_be_visible()


def test_a_newer_stroke_drops_the_older_answer(page: Page) -> None:
    """An answer that comes after the drawing has changed is not shown."""
    held: list[Route] = []
    page.route("**/predict*", lambda route: held.append(route) if not held else route.continue_())
    draw(page, 1)
    expect(page.locator(".answer.old")).to_be_visible()
    page.locator("#clear").click()
    draw(page, 3)
    verdict(page, 3)
    held[0].abort()
    verdict(page, 3)


def test_a_pen_presses(page: Page) -> None:
    """A pen that is pressed harder draws a broader stroke."""
    client = page.context.new_cdp_session(page)
    box = page.locator("#paper").bounding_box()
    assert box is not None
    inked = []
    for force in (0.1, 0.9):
        for kind, y in (("mousePressed", 0.2), ("mouseMoved", 0.5), ("mouseMoved", 0.8), ("mouseReleased", 0.8)):
            point = {"x": box["x"] + box["width"] / 2, "y": box["y"] + y * box["height"]}
            pressed = {"force": force, "pointerType": "pen", "button": "left", "buttons": 1, "clickCount": 1}
            client.send("Input.dispatchMouseEvent", {"type": kind, **point, **pressed})
        verdict(page, 1)
        inked.append(page.locator("#paper").evaluate(INK))
        page.locator("#clear").click()
    assert inked[1] > 1.5 * inked[0]


INK = """canvas => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return data.filter((value, at) => at % 4 === 3 && value).length;
}"""


@pytest.mark.parametrize("page", [PHONE], indirect=True, ids=["phone"])
def test_a_finger_draws_on_a_phone(page: Page) -> None:
    """On a phone a digit drawn by touch is read, the page neither scrolls under the finger nor sideways."""
    client = page.context.new_cdp_session(page)
    box = page.locator("#paper").bounding_box()
    assert box is not None
    (stroke,) = STROKES[7]
    points = [{"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"]} for x, y in stroke]
    before = page.evaluate("scrollY")
    client.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": points[:1]})
    for point in points[1:]:
        client.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [point]})
    client.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    verdict(page, 7)
    assert page.evaluate("scrollY") == before
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    expect(page.get_by_text("Take a photo", exact=True)).to_be_visible()
    assert page.locator("#photo").get_attribute("capture") == "environment"


def test_keys_alone_draw_and_choose(page: Page) -> None:
    """Without a mouse a 7 is drawn by arrows and Space, cleared, and an example is chosen."""
    page.locator("#paper").focus()
    for keys, times in ((("ArrowUp",), 9), (("ArrowLeft",), 7), ((" ",), 1), (("ArrowRight",), 14)):
        for _ in range(times):
            page.keyboard.press(keys[0])
    page.keyboard.down("ArrowDown")
    for _ in range(18):
        page.keyboard.press("ArrowDown")
    page.keyboard.up("ArrowDown")
    page.keyboard.press(" ")
    verdict(page, 7)
    page.keyboard.press("Delete")
    expect(page.locator(".empty")).to_be_visible()
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.dataset.file") == "four.png":
            break
    page.keyboard.press("Enter")
    verdict(page, 4)
