"""The programs that the page shows do what the page did."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.pages.strokes import draw
from tests.support import ROOT


def node() -> str:
    """A Node to run JavaScript with: one that is there, or the one that playwright brings."""
    from playwright._impl._driver import compute_driver_executable

    return shutil.which("node") or compute_driver_executable()[0]


def run(language: str, program: str, folder: Path) -> str:
    if language == "curl":
        command = ["bash", "-c", program]
    elif language == "Python":
        command = [sys.executable, "-c", program]
    else:
        command = [node(), "--input-type=module", "--eval", program]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def program_of(page: Page, language: str) -> str:
    page.get_by_role("tab", name=language).click()
    return page.locator("#code").inner_text()


needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


@needs_curl
def test_each_program_gives_the_answer_that_the_page_shows(page: Page, tmp_path: Path) -> None:
    """The drawing that the page saves, sent by curl, Python and JavaScript as the page says, is the digit it shows."""
    draw(page, 2)
    expect(page.locator(".verdict h3")).to_have_text("The digit is 2")
    with page.expect_download() as download:
        page.locator(".save").click()
    download.value.save_as(tmp_path / download.value.suggested_filename)
    assert run("curl", program_of(page, "curl"), tmp_path).count('"label":2') == 4
    for language in ("Python", "JavaScript"):
        assert run(language, program_of(page, language), tmp_path).startswith("2 0.9")


@needs_curl
def test_a_program_makes_every_call_that_the_page_made(page: Page, tmp_path: Path) -> None:
    """Of an example that is a number: it is fetched, and both routes are asked, as the page did."""
    asked: list[str] = []
    page.wait_for_load_state("networkidle")
    page.on("request", lambda request: asked.append(request.url))
    page.locator('[data-file="number.png"]').click()
    expect(page.locator(".verdict h3")).to_have_text("The number is 29168")
    calls = [address for address in asked if not address.startswith(("blob:", "data:"))]
    assert [address.split("/")[-1] for address in calls] == ["number.png", "predict?explain=true", "read?explain=true"]
    program = program_of(page, "curl")
    assert [address for address in calls if address in program] == calls
    assert '"text":"29168"' in run("curl", program, tmp_path)
    for language in ("Python", "JavaScript"):
        program = program_of(page, language)
        assert [address for address in calls if address in program] == calls
        lines = run(language, program, tmp_path).splitlines()
        assert lines[1].lower() == "29168 true"


@needs_curl
def test_any_name_of_a_file_is_quoted(page: Page, tmp_path: Path) -> None:
    """A number in a file whose name means something to shells is sent as that file, and nothing else is run."""
    path = tmp_path / 'it\'s $(touch run); "a", é.png'
    shutil.copy(ROOT / "docs" / "examples" / "number.png", path)
    page.locator("#choose").set_input_files(path)
    expect(page.locator(".verdict h3")).to_have_text("The number is 29168")
    assert '"text":"29168"' in run("curl", program_of(page, "curl"), tmp_path)
    for language in ("Python", "JavaScript"):
        assert run(language, program_of(page, language), tmp_path).splitlines()[1].startswith("29168 ")
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_a_program_is_copied(page: Page) -> None:
    """Copy puts the program on the clipboard, and arrow keys go from one language to the next."""
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    draw(page, 2)
    page.get_by_role("tab", name="curl").press("ArrowRight")
    expect(page.get_by_role("tab", name="Python")).to_be_focused()
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()").startswith("import httpx")
