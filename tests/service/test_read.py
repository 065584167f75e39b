"""POST /read over HTTP, with small models: what it answers, not how well it reads."""

from base64 import b64decode
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import httpx
import pytest
from PIL import Image

from benchmarks.strips import Digits, make
from service.access import REFUSALS
from service.app import create_app
from service.errors import MEDIA_TYPE, all_errors
from service.settings import Settings
from tests.imaging.test_page import blots
from tests.mnist import digits, labels
from tests.support import OF_FEEDBACK, encoded, hosting, wait_until_loaded

STRIP = make(Digits(digits(), labels()), "clean", 1, seed=4)[0]


def read(client: httpx.Client, content: bytes, query: str = "") -> httpx.Response:
    return client.post(f"/read{query}", files={"file": ("number.png", content)})


def test_an_answer_holds_each_digit_and_its_votes(client: httpx.Client) -> None:
    """Text, lines and digits agree, each digit has three votes, and the receipt counts the pieces."""
    answer = read(client, STRIP.content).json()
    assert answer["text"] == "\n".join(line["text"] for line in answer["lines"])
    assert answer["text"].replace("\n", "").replace(" ", "") == "".join(str(each["label"]) for each in answer["digits"])
    for digit in answer["digits"]:
        assert [vote["model"] for vote in digit["votes"]] == ["mlp", "cnn", "lenet5"]
        assert 0 <= digit["line"] < len(answer["lines"])
        assert digit["box"]["width"] > 0
        assert "picture" not in digit
    assert answer["accepted"] == (bool(answer["digits"]) and all(each["accepted"] for each in answer["digits"]))
    assert answer["missing"] == []
    assert answer["receipt"]["pieces"] >= len(answer["digits"])


def test_all_pieces_of_a_picture_share_batches(artifacts: Path) -> None:
    """They come to the models together, as many at once as a quarter of the queue."""
    with hosting(create_app(Settings(artifacts=artifacts, queue=32))) as client:
        wait_until_loaded(client)
        receipt = read(client, STRIP.content).json()["receipt"]
        assert receipt["batch_size"] == min(8, receipt["pieces"]) > 1


def test_pictures_read_at_once_do_not_fill_the_queue(artifacts: Path) -> None:
    """Three at once, more pieces than the queue has room for, are all answered."""
    with hosting(create_app(Settings(artifacts=artifacts, queue=16))) as client:
        wait_until_loaded(client)
        with ThreadPoolExecutor(3) as pool:
            answers = list(pool.map(lambda _: read(client, STRIP.content), range(9)))
        assert [answer.status_code for answer in answers] == [200] * 9
        assert len({answer.json()["text"] for answer in answers}) == 1


def test_explain_shows_each_digit(client: httpx.Client) -> None:
    """With explain=true each digit has its 28x28 as a PNG and its steps, and the answer those of the whole picture."""
    answer = read(client, STRIP.content, "?explain=true").json()
    assert (answer["seen"]["polarity"], answer["seen"]["turn"]) == ("dark on light", 0)
    assert isinstance(answer["seen"]["steps"], list)
    for digit in answer["digits"]:
        assert "fitted" in digit["steps"]
        kind, data = digit["picture"].split(",")
        assert kind == "data:image/png;base64"
        with Image.open(BytesIO(b64decode(data))) as picture:
            assert (picture.size, picture.mode) == ((28, 28), "L")


BAD: dict[str, tuple[bytes, int, str]] = {
    "65 shapes": (encoded(blots(65)), 422, "too-many-shapes"),
    "no ink": (encoded(Image.new("L", (90, 30), 255)), 422, "blank-picture"),
    "text": (b"40213", 415, "not-a-picture"),
    "nothing": (b"", 422, "empty-file"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_answered_with_what_to_do(client: httpx.Client, case: str) -> None:
    """Each bad input has its own problem, in words."""
    content, status, name = BAD[case]
    answer = read(client, content)
    assert (answer.status_code, answer.headers["content-type"]) == (status, MEDIA_TYPE)
    assert answer.json()["type"] == f"urn:digitvote:{name}"
    assert any(word in answer.json()["detail"] for word in ("Send", "Check"))


def test_a_picture_without_digits_has_an_empty_text(client: httpx.Client) -> None:
    """A flat stroke is answered, not refused: no digits, not accepted, and a word on what it is or was read as."""
    page = Image.new("L", (400, 100), 255)
    page.paste(0, (20, 48, 380, 53))
    answer = read(client, encoded(page))
    assert answer.status_code == 200
    body = answer.json()
    assert body["digits"] or (body["text"], body["accepted"], bool(body["warnings"])) == ("", False, True)


NOT_OF_READ = {"not-found", "method-not-allowed", "too-many-pictures", "broken-archive", *OF_FEEDBACK}


def test_the_openapi_document_names_every_error_of_read(client: httpx.Client) -> None:
    """Each error that /read can give is described with an example."""
    documented = client.get("/openapi.json").json()["paths"]["/read"]["post"]["responses"]
    shown = {
        name
        for status, entry in documented.items()
        if status != "200"
        for name in entry["content"][MEDIA_TYPE]["examples"]
    }
    assert shown == {row.name for row in all_errors()} - NOT_OF_READ - {row.name for row in REFUSALS}
