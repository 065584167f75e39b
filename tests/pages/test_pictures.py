"""Pictures that are dropped, pasted, chosen or taken from the examples, of digits, of numbers and of neither."""

import re
from base64 import b64encode
from pathlib import Path

import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import Page, Route, expect

from tests.pages.strokes import SCRIBBLE, draw, draw_strokes
from tests.support import ROOT, encoded

EXAMPLES = ROOT / "docs" / "examples"

# Gives the page a file by an event, as browsers do when people drop or paste one.
GIVE = """([kind, name, type, data]) => {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  const files = new DataTransfer();
  files.items.add(new File([bytes], name, { type }));
  const place = document.getElementById("sheet");
  if (kind === "paste") return document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: files }));
  for (const step of ["dragenter", "dragover", "drop"])
    place.dispatchEvent(new DragEvent(step, { dataTransfer: files, bubbles: true, cancelable: true }));
}"""


def give(page: Page, kind: str, name: str, content: bytes) -> None:
    page.evaluate(GIVE, [kind, name, "image/png" if name.endswith("png") else "", b64encode(content).decode()])


def verdict(page: Page, text: str) -> None:
    expect(page.locator(".verdict h3")).to_have_text(text)


def test_the_examples_are_those_of_the_docs() -> None:
    """The page's examples are the files of docs/examples, byte for byte."""
    served = ROOT / "service" / "pages" / "examples"
    for path in EXAMPLES.iterdir():
        assert (served / path.name).read_bytes() == path.read_bytes()


@pytest.mark.parametrize(("name", "label"), [("seven.png", 7), ("four.png", 4), ("three.jpg", 3)])
def test_an_example_is_one_click_away(page: Page, name: str, label: int) -> None:
    """A click shows the example on the paper with its digit boxed, and reads it."""
    page.locator(f'[data-file="{name}"]').click()
    verdict(page, f"The digit is {label}")
    expect(page.locator("#picture")).to_be_visible()
    box = page.locator("#boxes rect").bounding_box()
    sheet = page.locator("#sheet").bounding_box()
    assert box is not None
    assert sheet is not None
    assert sheet["y"] < box["y"] < box["y"] + box["height"] < sheet["y"] + sheet["height"]


def test_an_example_that_comes_late_does_not_cover_a_drawing(page: Page) -> None:
    """What is drawn while an example is on its way stays on the paper, and its answer too."""
    waiting: list[Route] = []
    page.route("**/static/examples/three.jpg", lambda route: waiting.append(route))
    page.locator('[data-file="three.jpg"]').click()
    draw(page, 7)
    verdict(page, "The digit is 7")
    waiting[0].abort()
    page.locator('[data-file="four.png"]').click()
    verdict(page, "The digit is 4")
    page.locator("#undo").click()
    verdict(page, "The digit is 7")
    expect(page.locator("#undo")).to_be_enabled()
    page.locator("#undo").click()
    expect(page.locator("#undo")).to_be_disabled()


@pytest.mark.parametrize("kind", ["drop", "paste"])
def test_what_holds_no_picture_is_told(page: Page, kind: str) -> None:
    """Text that is dropped or pasted has an answer in words."""
    page.evaluate(
        """(kind) => {
          const text = new DataTransfer();
          text.setData("text/plain", "7");
          if (kind === "paste") return document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: text }));
          const place = document.getElementById("sheet");
          place.dispatchEvent(new DragEvent("drop", { dataTransfer: text, bubbles: true, cancelable: true }));
        }""",
        kind,
    )
    expect(page.locator("#trouble h3")).to_have_text("There is no picture in that")


@pytest.mark.parametrize("kind", ["drop", "paste"])
def test_a_file_is_dropped_and_pasted(page: Page, kind: str) -> None:
    """A picture that is dropped or pasted is read; drawing then begins on new paper."""
    give(page, kind, "seven.png", (EXAMPLES / "seven.png").read_bytes())
    verdict(page, "The digit is 7")
    draw(page, 3)
    verdict(page, "The digit is 3")
    expect(page.locator("#picture")).to_be_hidden()
    page.locator("#undo").click()
    verdict(page, "The digit is 7")


def test_a_file_is_chosen(page: Page, tmp_path: Path) -> None:
    """A light digit on black is read as it is, not inverted; a file that the browser cannot show is named instead."""
    picture = Image.new("L", (200, 200))
    ImageDraw.Draw(picture).line([(60, 50), (140, 50), (95, 160)], fill=255, width=16, joint="curve")
    path = tmp_path / "seven.tiff"
    path.write_bytes(encoded(picture, "TIFF"))
    page.locator("#choose").set_input_files(path)
    verdict(page, "The digit is 7")
    expect(page.locator(".seen li").filter(has_text="inverted")).to_have_count(0)
    expect(page.locator("#unshown")).to_be_visible()


def test_a_number_is_read_digit_by_digit(page: Page) -> None:
    """Each digit of a number is boxed on the picture and shows its own votes when it is chosen."""
    page.locator('[data-file="number.png"]').click()
    verdict(page, "The number is 29168")
    expect(page.locator("#boxes rect:not(.left)")).to_have_count(5)
    expect(page.locator(".digits b")).to_have_text(list("29168"))
    expect(page.locator(".sure")).to_have_text(re.compile(r"^(> )?[\d.]+ % sure of its least clear digit, the \d$"))
    expect(page.locator(".verdict")).to_contain_text("All 3 models agree on every digit.")
    expect(page.locator(".seen li").first).to_have_text("inverted: now light ink on a dark ground")
    page.locator(".digits button").nth(3).click()
    expect(page.locator(".detail h3")).to_have_text(re.compile("^Digit 4 of 5: 6, "))
    expect(page.locator(".detail .said b")).to_have_text(["6"] * 3)
    expect(page.locator(".detail .cost")).to_have_text("This digit was then cropped to the ink and fitted, centred.")
    expect(page.locator("#boxes rect").nth(3)).to_have_class("chosen")


def test_a_number_is_drawn(page: Page) -> None:
    """Three digits drawn beside each other are read as a number."""
    for place, digit in enumerate((2, 0, 7)):
        draw(page, digit, 0.2 + 0.3 * place, 0.5)
    verdict(page, "The number is 207")


def test_what_is_no_digit_is_not_called_one(page: Page) -> None:
    """Of a scribble the page says plainly that it does not look like one digit, and why."""
    draw_strokes(page, SCRIBBLE)
    verdict(page, "This does not look like one digit")
    expect(page.locator(".verdict")).to_contain_text("It may be a letter, a sign or a drawing")
    expect(page.locator(".verdict")).to_contain_text(re.compile(r"If it must be one: \d, "))
    expect(page.locator(".votes.faint .vote")).to_have_count(3)


@pytest.mark.parametrize(
    ("name", "content", "title"),
    [
        ("notes.txt", b"seven", "This is not a picture that can be read"),
        ("cut.png", (EXAMPLES / "seven.png").read_bytes()[:900], "The picture is damaged"),
        ("white.png", encoded(Image.new("L", (50, 50), 255)), "The picture is blank"),
        ("huge.png", b"x" * (2**20 + 1), "The picture is too large"),
    ],
)
def test_a_bad_picture_is_told_of_in_words(page: Page, name: str, content: bytes, title: str) -> None:
    """What was wrong and what to do stands where the answer would; the next picture is read as ever."""
    give(page, "drop", name, content)
    expect(page.locator("#trouble h3")).to_have_text(title)
    expect(page.locator("#trouble p").first).not_to_be_empty()
    expect(page.locator("#call")).to_be_hidden()
    page.locator('[data-file="seven.png"]').click()
    verdict(page, "The digit is 7")
    expect(page.locator("#trouble")).to_be_empty()
