"""A service that is busy, loading or gone while the page is open."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, expect

from service.app import create_app
from service.settings import Settings
from tests.pages.strokes import draw
from tests.support import hosting, wait_until_loaded


@contextmanager
def opened(browser: Browser, url: str) -> Iterator[Page]:
    """The start page in a window of its own."""
    with browser.new_context(base_url=url, viewport={"width": 1280, "height": 900}) as context:
        page = context.new_page()
        page.goto("/")
        yield page


def test_a_busy_service_is_asked_again(browser: Browser, release: Path) -> None:
    """While another's upload takes the only place, the page says busy and tries again; once that ends it answers."""
    with hosting(create_app(Settings(artifacts=release, queue=1))) as client:
        wait_until_loaded(client)
        place = (client.base_url.host, client.base_url.port or 0)
        with opened(browser, str(client.base_url)) as page:
            with socket.create_connection(place) as stalled:
                stalled.sendall(b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500\r\n")
                stalled.sendall(b"Content-Type: multipart/form-data; boundary=x\r\n\r\n--x")
                draw(page, 7)
                expect(page.locator("#trouble h3")).to_have_text("Very busy just now")
                expect(page.locator("#trouble .again")).to_contain_text("Trying again in")
            expect(page.locator(".verdict h3")).to_have_text("The digit is 7")
            expect(page.locator("#trouble")).to_be_empty()


def test_a_service_that_is_gone_comes_back_by_itself(browser: Browser, release: Path) -> None:
    """With the service stopped under it the page says so and keeps the drawing; it is read once the service is back."""
    with hosting(create_app(Settings(artifacts=release))) as client:
        wait_until_loaded(client)
        url, port = str(client.base_url), client.base_url.port or 0
        context = opened(browser, url)
        page = context.__enter__()
        draw(page, 3)
        expect(page.locator(".verdict h3")).to_have_text("The digit is 3")
    page.locator("#clear").click()
    draw(page, 5)
    expect(page.locator("#trouble h3")).to_have_text("The service does not answer")
    page.locator('[data-file="seven.png"]').click()
    expect(page.locator("#trouble .again")).to_contain_text("Trying again in")
    with hosting(create_app(Settings(artifacts=release)), port):
        expect(page.locator(".verdict h3")).to_have_text("The digit is 7")
        expect(page.locator("#trouble")).to_be_empty()
        page.locator("#undo").click()
        expect(page.locator(".verdict h3")).to_have_text("The digit is 5")
        context.__exit__(None, None, None)


def test_who_asks_too_often_waits(page: Page) -> None:
    """After a 429 the page asks again once the seconds of its Retry-After are over."""
    limited: dict[str, Any] = {
        "status": 429,
        "headers": {"Retry-After": "1"},
        "json": {"type": "urn:digitvote:too-often"},
    }
    page.route("**/predict*", lambda route: route.fulfill(**limited), times=1)
    draw(page, 7)
    expect(page.locator("#trouble h3")).to_have_text("Too often just now")
    expect(page.locator(".verdict h3")).to_have_text("The digit is 7")


def test_what_the_service_refuses_is_told_in_words(page: Page) -> None:
    """A service that wants a key, one that errs in a way of its own, and what answers in its place: each is told of."""
    odd = {"type": "urn:digitvote:odd", "title": "An odd thing", "detail": "Do {this}."}
    answers: list[tuple[dict[str, Any], str, str]] = [
        ({"status": 401, "json": {"type": "urn:digitvote:no-key"}}, "This service wants a key", "Ask whoever runs it"),
        ({"status": 422, "json": odd}, "An odd thing", "Do {this}."),
        ({"status": 418, "body": "a teapot"}, "The answer cannot be understood", "with status 418"),
        ({"status": 200, "body": "<p>Log in</p>"}, "The answer cannot be understood", "with status 200"),
    ]
    given = iter(answers)
    page.route("**/predict*", lambda route: route.fulfill(**next(given)[0]))
    for _, title, detail in answers:
        draw(page, 7)
        expect(page.locator("#trouble h3")).to_have_text(title)
        expect(page.locator("#trouble p").first).to_contain_text(detail)
        page.locator("#clear").click()
