"""POST /predict/batch over HTTP, with small models."""

import io
import json
import socket
import struct
import threading
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from imaging import Seen, read
from service.access import REFUSALS
from service.app import create_app
from service.errors import MEDIA_TYPE, Problem, all_errors
from service.settings import Settings
from tests.service.test_app import OF_FEEDBACK
from tests.support import drawing, encoded, hosting, wait_until_loaded

PICTURES = [encoded(drawing(seed)) for seed in range(6)]
NDJSON = {"accept": "application/x-ndjson"}
ZIP = {"content-type": "application/zip"}


def batch(client: httpx.Client, contents: list[bytes], **headers: str) -> httpx.Response:
    files = [("file", (f"{index}.png", content)) for index, content in enumerate(contents)]
    return client.post("/predict/batch", files=files, headers=headers)


def app_of(artifacts: Path, **changes: Any) -> FastAPI:
    return create_app(Settings(artifacts=artifacts, **changes))


def packed(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def sent(client: httpx.Client, archive: bytes) -> httpx.Response:
    return client.post("/predict/batch", content=archive, headers=ZIP)


def alike(answer: dict[str, Any], other: dict[str, Any]) -> bool:
    return bool(
        answer["label"] == other["label"]
        and answer["confidence"] == pytest.approx(other["confidence"], abs=1e-5)
        and set(answer) == set(other)
    )


def one(client: httpx.Client, content: bytes) -> Any:
    return client.post("/predict", files={"file": content}).json()


def test_each_picture_gets_the_answer_that_it_gets_alone_in_order(client: httpx.Client) -> None:
    """The answers come in the order sent, each as /predict gives it, with index and name."""
    told = batch(client, PICTURES).json()
    assert (told["answered"], told["failed"]) == (6, 0)
    assert [(each["index"], each["name"]) for each in told["answers"]] == [(at, f"{at}.png") for at in range(6)]
    for each, content in zip(told["answers"], PICTURES, strict=True):
        assert "error" not in each
        assert alike(each["prediction"], one(client, content))


def test_pictures_of_one_request_share_batches(client: httpx.Client) -> None:
    """Some of 128 go through the models together."""
    told = batch(client, [PICTURES[at % 6] for at in range(128)]).json()
    assert max(each["prediction"]["receipt"]["batch_size"] for each in told["answers"]) > 1


def test_a_bad_picture_is_an_error_among_answers(client: httpx.Client) -> None:
    """It has the fields of a problem, in its place, and the status stays 200."""
    blank = encoded(Image.new("L", (50, 50), 255))
    answer = batch(client, [PICTURES[0], b"seven", PICTURES[1], b"", blank], **{"x-request-id": "mine"})
    told = answer.json()
    assert (answer.status_code, told["answered"], told["failed"]) == (200, 2, 3)
    errors = [each.get("error", {}).get("type", "").removeprefix("urn:digitvote:") for each in told["answers"]]
    assert errors == ["", "not-a-picture", "", "empty-file", "blank-picture"]
    for each in told["answers"]:
        if "error" in each:
            assert set(each["error"]) == set(Problem.model_fields)
            assert each["error"]["request_id"] == "mine"
            assert "prediction" not in each


def test_lines_are_streamed_if_asked_for(client: httpx.Client) -> None:
    """With Accept: application/x-ndjson each answer is a line with its index and name, each index once."""
    answer = batch(client, [*PICTURES, b"seven"], **NDJSON)
    assert answer.headers["content-type"] == "application/x-ndjson"
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert sorted(line["index"] for line in lines) == list(range(7))
    assert all(line["name"] == f"{line['index']}.png" for line in lines)
    assert [line["index"] for line in lines if "error" in line] == [6]
    assert answer.headers["vary"] == batch(client, PICTURES).headers["vary"] == "Accept"


@dataclass
class Slow:
    """Stands for `imaging.read`: pictures of this content are read only once they may be."""

    content: bytes
    begun: threading.Event = field(default_factory=threading.Event)
    may: threading.Event = field(default_factory=threading.Event)

    def __call__(self, content: bytes, max_pixels: int) -> Seen:
        """Read a picture."""
        if content == self.content:
            self.begun.set()
            self.may.wait(60)
        return read(content, max_pixels)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[Slow]:
    """The last picture takes as long as a test wants."""
    reader = Slow(PICTURES[-1])
    monkeypatch.setattr("service.ensemble.read", reader)
    yield reader
    reader.may.set()


def test_a_line_is_sent_while_other_pictures_are_read(artifacts: Path, slow: Slow) -> None:
    """The lines of pictures that are done come before the last is."""
    with hosting(app_of(artifacts)) as client:
        wait_until_loaded(client)
        files = [("file", ("a.png", content)) for content in PICTURES]
        with client.stream("POST", "/predict/batch", files=files, headers=NDJSON) as answer:
            lines = answer.iter_lines()
            assert sorted(json.loads(next(lines))["index"] for _ in range(5)) == [0, 1, 2, 3, 4]
            slow.may.set()
            assert [json.loads(line)["index"] for line in lines] == [5]


@pytest.mark.parametrize(
    ("accept", "lines"),
    [
        ("application/json, application/x-ndjson;q=0.5", True),
        ("application/x-ndjson;q=0, */*", False),
        ("application/x-ndjson; q=0.000", False),
        ("application/x-ndjson-like", False),
        ("*/*", False),
    ],
)
def test_lines_are_sent_where_they_are_taken(client: httpx.Client, accept: str, lines: bool) -> None:
    """NDJSON is sent to who names it, unless by q=0."""
    answer = client.post("/predict/batch", files=[("file", encoded(drawing()))], headers={"accept": accept})
    assert answer.headers["content-type"] == ("application/x-ndjson" if lines else "application/json")


@pytest.mark.parametrize("headers", [{}, NDJSON], ids=["json", "ndjson"])
def test_when_the_caller_goes_away_the_work_ends(artifacts: Path, slow: Slow, headers: dict[str, str]) -> None:
    """The request's place is free again, though its pictures could not be read yet."""
    with hosting(app_of(artifacts, batches=1)) as client:
        wait_until_loaded(client)
        with socket.create_connection((client.base_url.host, client.base_url.port or 0)) as caller:
            files = [("file", ("a.png", PICTURES[-1]))] * 9
            caller.sendall(written(client.build_request("POST", "/predict/batch", files=files, headers=headers)))
            assert slow.begun.wait(30)
            assert batch(client, []).status_code == 503
        while (answer := sent(client, b"")).status_code == 503:
            pass
        assert answer.status_code == 415


def written(request: httpx.Request) -> bytes:
    """A request as it goes over the wire."""
    lines = [f"{request.method} {request.url.raw_path.decode()} HTTP/1.1", *map(": ".join, request.headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + request.read()


@pytest.mark.parametrize("form", [False, True])
def test_an_archive_is_taken_as_its_pictures(client: httpx.Client, form: bool) -> None:
    """As the body or as a field: members in order, with their paths as names; folders and hidden files passed over."""
    members = {"scans/": b"", "scans/b.png": PICTURES[0], "__MACOSX/._b.png": b"x", ".DS_Store": b"x"}
    archive = packed({**members, "../../etc/a.png": PICTURES[1]})
    answer = client.post("/predict/batch", files={"file": ("all.zip", archive)}) if form else sent(client, archive)
    told = answer.json()
    assert [each["name"] for each in told["answers"]] == ["scans/b.png", "../../etc/a.png"]
    assert all(
        alike(each["prediction"], one(client, content))
        for each, content in zip(told["answers"], PICTURES, strict=False)
    )


def flagged(archive: bytes, flag: int = 1) -> bytes:
    """An archive whose first member claims to be encrypted."""
    content = bytearray(archive)
    for start, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(start) + at] |= flag
    return bytes(content)


def shrunk(archive: bytes, size: int) -> bytes:
    """An archive whose first member claims to have so many bytes unpacked."""
    content = bytearray(archive)
    for start, at in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        struct.pack_into("<I", content, content.index(start) + at, size)
    return bytes(content)


BAD_MEMBERS: dict[str, tuple[bytes, str, str]] = {
    "encrypted": (flagged(packed({"a.png": PICTURES[0]})), "not-a-picture", "encrypted"),
    "nested": (packed({"a.zip": packed({"a.png": PICTURES[0]})}), "not-a-picture", "archive"),
    "bzip2": (packed({"a.png": PICTURES[0]}, zipfile.ZIP_BZIP2), "not-a-picture", "deflate"),
    "too large": (packed({"a.png": bytes(2**20 + 1)}), "body-too-large", "1 MiB"),
    "longer than told": (shrunk(packed({"a.png": bytes(2**20)}), 100), "broken-picture", "damaged"),
    "shorter than told": (shrunk(packed({"a.png": PICTURES[0]}), 2**20), "broken-picture", "damaged"),
    "text": (packed({"a.png": b"seven"}), "not-a-picture", "PNG"),
    "empty": (packed({"a.png": b""}), "empty-file", "0 bytes"),
}


@pytest.mark.parametrize("case", BAD_MEMBERS)
def test_a_member_that_cannot_be_taken_is_told_by_name(client: httpx.Client, case: str) -> None:
    """It is an error in its place, with words on what is wrong with it."""
    archive, name, word = BAD_MEMBERS[case]
    (answer,) = sent(client, archive).json()["answers"]
    assert answer["name"] in ("a.png", "a.zip")
    assert answer["error"]["type"] == f"urn:digitvote:{name}"
    assert word in answer["error"]["detail"]


def crowded(count: int) -> bytes:
    """An archive whose list of members is of so many entries, without their data."""
    entry = b"PK\x01\x02" + bytes(24) + struct.pack("<HHHHHII", 1, 0, 0, 0, 0, 0, 0) + b"a"
    return entry * count + struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 0, 0, len(entry) * count, 0, 0)


BAD_BODIES: dict[str, tuple[bytes, int, str]] = {
    "no archive": (b"PK and no more", 415, "broken-archive"),
    "an empty archive": (packed({}), 422, "no-file"),
    "257 pictures": (packed({f"{at}.png": b"" for at in range(257)}), 422, "too-many-pictures"),
    "many more": (crowded(400_000), 422, "too-many-pictures"),
    "over the limit unpacked": (packed({f"{at}.png": bytes(2**20) for at in range(33)}), 413, "body-too-large"),
}


@pytest.fixture(scope="module")
def roomy(artifacts: Path) -> Any:
    """A client of an application that takes bodies of 32 MiB."""
    with hosting(app_of(artifacts, batch_bytes=32 * 2**20)) as client:
        wait_until_loaded(client)
        yield client


@pytest.mark.parametrize("case", BAD_BODIES)
def test_an_archive_that_cannot_be_taken_is_a_problem(roomy: httpx.Client, case: str) -> None:
    """Nothing of it is read."""
    archive, status, name = BAD_BODIES[case]
    answer = sent(roomy, archive)
    assert (answer.status_code, answer.headers["content-type"]) == (status, MEDIA_TYPE)
    assert answer.json()["type"] == f"urn:digitvote:{name}"


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_pictures_of_several_megabytes_are_taken_out_of_an_archive(roomy: httpx.Client, method: int) -> None:
    """A member that stays large however it is packed is read as it is when it is sent alone."""
    noisy = np.random.default_rng(0).integers(0, 40, (1500, 1500, 3), dtype=np.uint8)
    noisy[300:1200, 650:850] = 255
    content = encoded(Image.fromarray(noisy))
    assert len(packed({"large.png": content}, method)) > 3 * 2**20
    (answer,) = sent(roomy, packed({"large.png": content}, method)).json()["answers"]
    alone = roomy.post("/predict", files={"file": content}).json()
    assert alike(answer["prediction"], alone)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(at=st.integers(0, 400), value=st.integers(0, 255), cut=st.integers(0, 60))
def test_a_damaged_archive_is_no_error_of_the_service(client: httpx.Client, at: int, value: int, cut: int) -> None:
    """Whatever byte is changed and however much is missing, the answer is an answer, or says what is wrong."""
    content = bytearray(packed({"a.png": encoded(drawing(size=28, width=3)), "b.png": b"seven"}))
    content[at % len(content)] = value
    answer = sent(client, bytes(content[: len(content) - cut]))
    assert answer.status_code in (200, 413, 415, 422)
    if answer.status_code == 200:
        types = [each["error"]["type"] for each in answer.json()["answers"] if "error" in each]
        assert "urn:digitvote:internal" not in types


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=25)
@given(kinds=st.lists(st.sampled_from(["good", "bad", "empty"]), min_size=1, max_size=20))
def test_counts_and_places_fit_whatever_is_sent(client: httpx.Client, kinds: list[str]) -> None:
    """Of any mix the answers stand in order, and the counts are of them."""
    content = {"good": PICTURES[0], "bad": b"seven", "empty": b""}
    told = batch(client, [content[kind] for kind in kinds]).json()
    assert [("good" if "prediction" in each else "not") for each in told["answers"]] == [
        "good" if kind == "good" else "not" for kind in kinds
    ]
    assert (told["answered"], told["failed"]) == (kinds.count("good"), len(kinds) - kinds.count("good"))


def test_more_than_256_fields_are_refused(client: httpx.Client) -> None:
    """256 are taken; one more is a problem that says how many are."""
    assert batch(client, [b"seven"] * 256).json()["failed"] == 256
    answer = batch(client, [b"seven"] * 257)
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:digitvote:too-many-pictures")
    assert "256" in answer.json()["detail"]


def test_a_part_that_is_too_large_is_an_error_in_its_place(client: httpx.Client) -> None:
    """One picture may have DIGITVOTE_MAX_BYTES, though the body may have more."""
    told = batch(client, [PICTURES[0], bytes(2**20 + 1)]).json()
    assert told["answers"][1]["error"]["type"] == "urn:digitvote:body-too-large"
    assert "'1.png' is over 1 MiB" in told["answers"][1]["error"]["detail"]
    assert told["answered"] == 1


def test_other_bodies_are_told_what_to_send(client: httpx.Client) -> None:
    """No form, a form without files, text for a file, and an archive among pictures have their own answers."""
    odd = client.post("/predict/batch", content=PICTURES[0], headers={b"content-type": b"\xff/\xff"})
    assert odd.json()["type"] == "urn:digitvote:no-file"
    assert client.post("/predict/batch", content=PICTURES[0]).json()["type"] == "urn:digitvote:no-file"
    assert client.post("/predict/batch", files={"other": b"x"}).json()["type"] == "urn:digitvote:no-file"
    form = {"content-type": "multipart/form-data; boundary=x"}
    text = b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\na.png\r\n--x--\r\n'
    (told,) = client.post("/predict/batch", content=text, headers=form).json()["answers"]
    assert "@" in told["error"]["detail"]
    among = batch(client, [PICTURES[0], packed({"a.png": PICTURES[0]})]).json()["answers"]
    assert "archive among pictures" in among[1]["error"]["detail"]


def test_its_limits_are_its_own(artifacts: Path) -> None:
    """Its body may have DIGITVOTE_BATCH_BYTES and no more, while /predict keeps DIGITVOTE_MAX_BYTES."""
    with hosting(app_of(artifacts, max_bytes=2**16, batch_bytes=2**17)) as client:
        wait_until_loaded(client)
        assert batch(client, [bytes(2**15)] * 3).status_code == 200
        answer = batch(client, [bytes(2**16)] * 3)
        assert (answer.status_code, answer.json()["type"]) == (413, "urn:digitvote:body-too-large")
        assert client.post("/predict", files={"file": bytes(2**16)}).status_code == 413


def test_so_many_requests_are_taken_at_a_time(artifacts: Path) -> None:
    """Past DIGITVOTE_BATCHES they get 503 with Retry-After, while single pictures are answered."""
    head = b"POST /predict/batch HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\nContent-Type: application/zip\r\n\r\n"
    with hosting(app_of(artifacts, batches=1)) as client:
        wait_until_loaded(client)
        with socket.create_connection((client.base_url.host, client.base_url.port or 0)) as slow:
            slow.sendall(head)
            answer = batch(client, PICTURES)
            while answer.status_code == 200:  # the other has not been heard yet
                answer = batch(client, PICTURES)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
            assert client.post("/predict", files={"file": PICTURES[0]}).status_code == 200


def test_a_small_queue_refuses_no_picture_of_a_request(artifacts: Path) -> None:
    """Requests of more pictures than the queue holds are answered whole, also at once, and /predict beside them."""
    with hosting(app_of(artifacts, queue=4, batches=4)) as client:
        wait_until_loaded(client)
        with ThreadPoolExecutor(4) as pool:
            many = pool.map(lambda _: batch(client, PICTURES * 5).json(), range(4))
            single = [client.post("/predict", files={"file": PICTURES[0]}).status_code for _ in range(10)]
        assert [told["answered"] for told in many] == [30] * 4
        assert single == [200] * 10


def test_an_error_nobody_foresaw_is_one_pictures(artifacts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug that one picture meets is its error, with none of its insides; the others are answered."""

    def broken(content: bytes, max_pixels: int) -> Any:
        if content == PICTURES[1]:
            raise KeyError("secret inside")
        return read(content, max_pixels)

    monkeypatch.setattr("service.ensemble.read", broken)
    with hosting(app_of(artifacts)) as client:
        wait_until_loaded(client)
        answer = batch(client, PICTURES)
    assert (answer.json()["answered"], answer.json()["failed"]) == (5, 1)
    assert answer.json()["answers"][1]["error"]["type"] == "urn:digitvote:internal"
    assert "secret" not in answer.text


def test_the_openapi_document_shows_both_forms_and_every_error(client: httpx.Client) -> None:
    """The route has two media types in, two out, and an example of each error that it can give."""
    document = client.get("/openapi.json").json()
    route = document["paths"]["/predict/batch"]["post"]
    assert set(route["requestBody"]["content"]) == {"multipart/form-data", "application/zip"}
    good = route["responses"]["200"]["content"]
    assert good["application/json"]["schema"] == {"$ref": "#/components/schemas/BatchPrediction"}
    assert good["application/x-ndjson"]["schema"] == {"$ref": "#/components/schemas/BatchAnswer"}
    assert {"BatchPrediction", "BatchAnswer", "Problem"} <= set(document["components"]["schemas"])
    shown = {
        name
        for status, entry in route["responses"].items()
        if status != "200"
        for name in entry["content"][MEDIA_TYPE]["examples"]
    }
    others = {"not-found", "method-not-allowed", "too-many-shapes", *OF_FEEDBACK, *(row.name for row in REFUSALS)}
    assert shown == {row.name for row in all_errors()} - others
