import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Error, Page, expect, sync_playwright

from service.app import create_app
from service.settings import Settings
from tests.journeys.conftest import release
from tests.support import ROOT, hosting, wait_until_loaded

__all__ = ["release"]  # the same fixture as the journeys', with a folder of its own

os.environ.setdefault("PLAYWRIGHT_BROWSERS_PATH", str(ROOT / ".venv" / "browsers"))  # where make installs one
expect.set_options(timeout=20_000)  # of a busy machine; a page that is right does not wait for it


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Chromium: Debian's, or playwright's own."""
    found = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        try:
            running = playwright.chromium.launch(executable_path=found)
        except Error as error:
            pytest.skip(f"there is no browser to test the pages in: {error.message.splitlines()[0]}")
        yield running
        running.close()


@pytest.fixture(scope="package")
def url(release: Path) -> Iterator[str]:
    """The address of a service with the committed release."""
    with hosting(create_app(Settings(artifacts=release, max_bytes=2**20))) as client:
        assert wait_until_loaded(client)["state"] == "ready"
        yield str(client.base_url)


class Watch:
    """What a page did that none may do: errors in scripts, breaches of its policy, requests to other hosts."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.faults: list[str] = []
        context.on("weberror", lambda fault: self.faults.append(str(fault.error)))
        context.on("console", lambda line: self._line(line.text))
        context.on("request", lambda request: self._request(request.url, url))

    def _line(self, text: str) -> None:
        if "Content Security Policy" in text:
            self.faults.append(text)

    def _request(self, address: str, url: str) -> None:
        if not address.startswith((url, "data:", "blob:")):
            self.faults.append(f"a request to {address}")


@pytest.fixture(params=[{}], ids=[""])
def page(browser: Browser, url: str, request: pytest.FixtureRequest) -> Iterator[Page]:
    """The start page in a window of its own, of the size and kind that a test's parameters ask; it must do no fault."""
    with start_page(browser, url, **request.param) as opened:
        yield opened


@contextmanager
def start_page(browser: Browser, url: str, **kind: Any) -> Iterator[Page]:
    """A service's start page in a window of its own; it must do no fault."""
    context = browser.new_context(base_url=url, **{"viewport": {"width": 1280, "height": 900}, **kind})
    context.set_default_timeout(20_000)
    watch = Watch(context, url)
    opened = context.new_page()
    opened.goto("/")
    yield opened
    context.close()
    assert watch.faults == []
