"""The pages as they are answered: what they load and may load, and which pictures of reports are given out."""

import json
import os
import re
import socket
from pathlib import Path
from typing import Any, get_args

import httpx
import pytest

from imaging import line
from imaging.steps import Step
from registry import store
from service.app import create_app
from service.errors import all_errors
from service.html import percent, warning, words
from service.schemas import Stage, State
from service.settings import Settings
from service.vote import Reason
from tests.imaging.test_page import blots
from tests.support import (
    RELEASE,
    ROOT,
    Linear,
    committed,
    drawing,
    encoded,
    hosting,
    publish_model,
    publish_three,
    wait_until_loaded,
)

PAGES = ("/", "/report", "/dashboard", "/docs", "/redoc")


@pytest.mark.parametrize("path", PAGES)
def test_a_page_loads_from_this_host_alone(client: httpx.Client, path: str) -> None:
    """Every file that a page names is served, none by another host, and no script stands in the page itself."""
    answer = client.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    files = re.findall(r'(?:src|href)="([^"#]+)"', answer.text)
    assert len(files) >= 2
    for file in files:
        assert client.get(httpx.URL(f"{client.base_url}{path}").join(file)).status_code == 200, file
    assert "https://" not in answer.text
    assert not re.findall(r"<script(?![^>]*(?:src=|application/json))", answer.text)
    assert " style=" not in answer.text


@pytest.mark.parametrize("path", PAGES)
def test_a_page_says_what_it_may_load(client: httpx.Client, path: str) -> None:
    """The policy takes nothing from elsewhere, and scripts only from files."""
    headers = client.get(path).headers
    policy = dict(rule.split(" ", 1) for rule in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["connect-src"] == policy["form-action"] == "'self'"
    assert ("'unsafe-inline'" in policy["style-src"]) == (path in ("/docs", "/redoc"))
    assert headers["x-content-type-options"] == "nosniff"


def test_a_browser_asks_for_each_file_again(client: httpx.Client) -> None:
    """Files are revalidated, so that no page meets the scripts of another release, and come only where they changed."""
    answer = client.get("/static/style.css")
    assert answer.headers["cache-control"] == "no-cache"
    again = client.get("/static/style.css", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_problems_are_pages_for_browsers_alone(client: httpx.Client) -> None:
    """Whoever asks for HTML gets a problem's words as a page with its status; programs get JSON as ever."""
    page = client.get("/far/from/here", headers={"Accept": "text/html,*/*;q=0.8"})
    assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "There is no such page" in page.text
    assert page.headers["x-request-id"] in page.text
    assert 'href="../../static/style.css"' in page.text
    assert client.get("/far/from/here").json()["title"] == "There is no such page"
    large = client.post("/", files={"file": b"x" * (2**20 + 1)}, headers={"Accept": "text/html"})
    assert large.status_code == 413
    assert "At most 1 MiB are taken" in large.text
    wrong = client.get("/predict", headers={"Accept": "text/html"})
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "POST")
    plain = client.get("/predict")
    assert [answer.headers["vary"] for answer in (page, large, wrong, plain)] == ["Accept"] * 4


def test_the_plain_form_is_answered_with_the_vote(client: httpx.Client) -> None:
    """POST / shows the label that /predict gives to the same picture, and all three votes."""
    content = encoded(drawing(3))
    label = client.post("/predict", files={"file": content}).json()["label"]
    page = client.post("/", files={"file": ("a.png", content)}).text
    assert f'aria-hidden="true">{label}</p>' in page
    assert page.count('class="bars"') == 3


def test_what_is_too_much_for_a_number_is_answered_as_one_digit(client: httpx.Client) -> None:
    """Where /read refuses a picture that /predict answers, the plain form shows what /predict says."""
    content = encoded(blots(65))
    assert client.post("/read", files={"file": content}).status_code == 422
    page = client.post("/", files={"file": ("a.png", content)})
    assert page.status_code == 200
    assert page.text.count('class="bars"') == 3


def test_a_body_that_does_not_come_is_cut_off_here_too(artifacts: Path) -> None:
    """The plain form has the same seconds for its body as every upload."""
    with hosting(create_app(Settings(artifacts=artifacts, body_seconds=0.2))) as client:
        wait_until_loaded(client)
        with socket.create_connection((client.base_url.host, client.base_url.port or 0)) as stalled:
            stalled.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500\r\n")
            stalled.sendall(b"Content-Type: multipart/form-data; boundary=x\r\n\r\n--x")
            assert stalled.recv(65536).startswith(b"HTTP/1.1 408")


def test_only_pictures_that_a_manifest_lists_are_given_out() -> None:
    """A picture of a report is served; a path out of it, what is no picture and what is not listed are not."""
    version = committed("cnn")
    with hosting(create_app(Settings(artifacts=RELEASE))) as client:
        wait_until_loaded(client)
        given = client.get(f"/report/cnn/{version}/mistakes.png")
        assert (given.status_code, given.headers["content-type"]) == (200, "image/png")
        listed = set(store.manifest(RELEASE, "cnn", version).files)
        assert "report/metrics.json" in listed
        for path in (
            f"cnn/{version}/metrics.json",
            f"cnn/{version}/model.pt",
            f"cnn/{version}/..%2Fmodel.pt",
            f"cnn/{version}/%2E%2E%2Fmanifest.json",
            f"..%2Fartifacts%2Fcnn/{version}/mistakes.png",
            "cnn/99/mistakes.png",
            "cnn/0/mistakes.png",
            f"cnn/{version}/refused.png",
            f"nobody/{version}/mistakes.png",
        ):
            assert client.get(f"/report/{path}").status_code == 404, path
        assert client.get("/report/cnn/first/mistakes.png").status_code == 400


def test_a_report_without_figures_or_with_a_broken_version_is_a_page_still(tmp_path: Path) -> None:
    """A version with a manifest alone is shown by it, one that cannot be read with why; that there is none is said."""
    publish_three(tmp_path)
    publish_model(tmp_path, "cnn", Linear(5))
    (tmp_path / "cnn" / "2" / "manifest.json").write_text("{}")
    with hosting(create_app(Settings(artifacts=tmp_path))) as client:
        wait_until_loaded(client)
        page = client.get("/report").text
        assert "Version 2 cannot be read" in page
        assert page.count("voting now") >= 2
    with hosting(create_app(Settings(artifacts=tmp_path / "nothing"))) as client:
        wait_until_loaded(client)
        assert "No version of any model was found" in client.get("/report").text


FIGURES: dict[str, Any] = {
    "recipe": "mine",
    "multiply_adds": 12345,
    "test": {"confusion": [[1] * 10] * 10},
    "vote": {"models": ["cnn"], "default": "weighted", "test": {"weighted": {"examples": 100, "accuracy": 0.5}}},
    "history": [{"loss": 1 / epoch, "validation_loss": 1 / epoch, "validation_accuracy": 0.5} for epoch in (1, 2)],
    "corruptions": {"model": {"blur": 0.5}, "vote": {"blur": 0.75}},
    "coverage": {"model": [{"coverage": 1.0, "errors": 9}, {"coverage": 0.9, "errors": 1}]},
    "refused": {name: {"digits": {"clean": 0.01}, "others": {"letters": 0.99}} for name in ("balanced", "strict")},
}
SHOWN = {
    "recipe": "<b>mine</b>",
    "multiply_adds": "12,345",
    "test": 'class="confusion"',
    "vote": 'class="aside"',
    "history": 'class="curve"',
    "corruptions": "75.00 %",
    "coverage": "If the least sure are left to people",
    "refused": "What it refuses",
}


def test_a_report_is_shown_without_the_part_that_cannot_be_read(tmp_path: Path) -> None:
    """Whatever of a metrics.json is missing or is not as the trainer writes it, the rest is shown."""
    publish_three(tmp_path)
    metrics = tmp_path / "cnn" / "1" / "report" / "metrics.json"
    metrics.parent.mkdir()
    vote, (epoch, other) = FIGURES["vote"], FIGURES["history"]
    wrong: list[tuple[str, Any]] = [
        ("recipe", ["mine"]),
        ("multiply_adds", "many"),
        ("test", {}),
        ("test", {"confusion": 1}),
        ("vote", {"models": ["cnn"], "default": "weighted"}),
        ("vote", {"models": ["cnn"], "test": vote["test"]}),
        ("vote", {**vote, "default": "majority"}),
        ("history", {}),
        ("history", [epoch]),
        ("history", [epoch, {"epoch": 2}]),
        ("history", [epoch, {**other, "loss": float("nan")}]),
        ("history", [{**epoch, "loss": 0, "validation_loss": -1}] * 2),
        ("corruptions", {"vote": {}}),
        ("coverage", [[0.5, 0.0]]),
        ("refused", {"balanced": FIGURES["refused"]["balanced"]}),
    ]
    with hosting(create_app(Settings(artifacts=tmp_path))) as client:
        wait_until_loaded(client)
        for name, value in [("", None), *wrong]:
            metrics.write_text(json.dumps({**FIGURES, name: value}))
            answer = client.get("/report")
            assert answer.status_code == 200
            assert {part for part in SHOWN if SHOWN[part] not in answer.text} == {name} - {""}, value
        for text in ("[]", "null", "{", "[" * 100_000):
            metrics.write_text(text)
            assert client.get("/report").status_code == 200


def test_a_report_of_what_is_no_file_is_a_page_still(tmp_path: Path) -> None:
    """A pipe, which would be waited for, and a link, which may lead anywhere, are no figures."""
    publish_three(tmp_path)
    report = tmp_path / "cnn" / "1" / "report"
    report.mkdir()
    os.mkfifo(report / "metrics.json")
    (tmp_path / "elsewhere").write_text(json.dumps(FIGURES))
    with hosting(create_app(Settings(artifacts=tmp_path))) as client:
        wait_until_loaded(client)
        assert client.get("/report").status_code == 200
        (report / "metrics.json").unlink()
        (report / "metrics.json").symlink_to(tmp_path / "elsewhere")
        assert SHOWN["multiply_adds"] not in client.get("/report").text


def test_every_word_of_the_pages_is_used() -> None:
    """No text of words.json is left over: each name stands in a template, a script or the page of an answer."""
    pages = ROOT / "service" / "pages"
    sources = [*(pages / "templates").iterdir(), *(pages / "scripts").iterdir(), ROOT / "service" / "answer_page.py"]
    text = "\n".join(path.read_text() for path in sources)
    for part in ("site", "home", "answer", "problems", "call", "report", "dashboard", "api"):
        for name in words()[part]:
            assert re.search(rf"\b{name}\b", text), f"{part}.{name}"


def test_the_words_are_those_of_the_service() -> None:
    """Each step, reason, state, error, thing left out and warning that the service names has words on the page."""
    assert set(get_args(Step)) <= set(words()["steps"])
    assert set(get_args(Reason)) <= set(words()["reasons"])
    assert {*get_args(State), *get_args(Stage)} == set(words()["states"])
    assert set(get_args(line.Reason)) == set(words()["skipped"])
    assert {error.name for error in all_errors()} <= set(words()["errors"])
    told = (ROOT / "docs" / "serving.md").read_text().split("Warnings tell what you can act on: ")[1].split("\n\n")[0]
    listed = [" ".join(text.split()) for text in re.findall(r'"([^"]+)"', told)]
    assert len(listed) >= 5
    for text in listed:
        assert warning(text) != text


@pytest.mark.parametrize(
    ("share", "shown"),
    [
        (1.0, "> 99.9 %"),
        (0.9996, "> 99.9 %"),
        (0.9994, "99.9 %"),
        (0.95, "95 %"),
        (0.64, "64 %"),
        (0.01, "1 %"),
        (0.0, "< 1 %"),
    ],
)
def test_nothing_is_called_certain(share: float, shown: str) -> None:
    """A share is shown in few figures, and never as 100 or 0 %: what the answer holds is rounded."""
    assert percent(share) == shown
