"""`python -m service predict` against a real service."""

import csv
import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.support import ROOT, Process, drawing, encoded, serving

PICTURES = [encoded(drawing(seed)) for seed in range(5)]


@pytest.fixture(scope="module")
def server(artifacts: Path) -> Iterator[Process]:
    """A service whose requests of many pictures may have 64 KiB, and which takes one at a time."""
    with serving(artifacts, batch_bytes=2**16, batches=1, log_level="error") as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """300 good pictures, one that is none, and an empty file."""
    scans = tmp_path / "scans"
    scans.mkdir()
    for at in range(300):
        (scans / f"{at:03}.png").write_bytes(PICTURES[at % 5])
    (scans / "100a.png").write_bytes(b"seven")
    (scans / "200a.png").write_bytes(b"")
    return scans


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "service", "predict", *arguments]
    variables = {**os.environ, **environment}
    return subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, encoding="utf-8", timeout=120)


def test_a_folder_becomes_rows_in_order(server: Process, folder: Path) -> None:
    """Each file is a row, bad ones with an error; what the service finds too large is sent in halves."""
    done = run(str(folder), "--url", server.url)
    assert done.returncode == 1, done.stderr
    assert "300 read, 2 failed" in done.stderr
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [row["file"] for row in rows] == sorted(str(path) for path in folder.iterdir())
    bad = {Path(row["file"]).name: row["error"] for row in rows if row["error"]}
    assert set(bad) == {"100a.png", "200a.png"}
    assert bad["200a.png"] == "The file is empty: It holds 0 bytes."
    good = [row for row in rows if not row["error"]]
    assert [row["label"] for row in good] == [good[at % 5]["label"] for at in range(300)]


@pytest.mark.parametrize("form", ["json", "ndjson"])
def test_the_whole_answer_goes_to_a_file(server: Process, folder: Path, tmp_path: Path, form: str) -> None:
    """--output holds what the service answered, stdout nothing, and the status is 0 if all were read."""
    output = tmp_path / "digits"
    done = run(f"{folder}/00*.png", "--url", server.url, "--format", form, "--output", str(output))
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    text = output.read_text()
    rows = json.loads(text) if form == "json" else [json.loads(line) for line in text.splitlines()]
    assert len(rows) == 10
    assert all(len(row["prediction"]["votes"]) == 3 for row in rows)


def test_a_file_that_is_not_there_is_a_row(server: Process, folder: Path) -> None:
    """The others are read."""
    done = run(f"{folder}/000.png", f"{folder}/none.png", "--url", server.url)
    assert done.returncode == 1
    good, bad = csv.DictReader(io.StringIO(done.stdout))
    assert good["label"]
    assert bad["error"] == "The file cannot be read: No such file or directory"


def test_what_is_no_picture_to_send_is_a_row(server: Process, folder: Path, tmp_path: Path) -> None:
    """An archive, a pipe and a file of a terabyte are told, unread and unsent; the picture among them is read."""
    with ZipFile(tmp_path / "good.zip", "w") as archive:
        for at in range(4):
            archive.writestr(f"{at}.png", PICTURES[at])
    os.mkfifo(tmp_path / "pipe.png")
    with (tmp_path / "large.png").open("wb") as large:
        large.truncate(2**40)
    files = (f"{tmp_path}/{name}" for name in ("good.zip", "pipe.png", "large.png"))
    done = run(*files, f"{folder}/000.png", "--url", server.url)
    assert done.returncode == 1, done.stderr
    archived, pipe, large_one, good = csv.DictReader(io.StringIO(done.stdout))
    assert archived["error"].startswith("The file is an archive, not a picture: Unpack it")
    assert f"{server.url}/predict/batch" in archived["error"]
    assert pipe["error"] == "The file cannot be read: It is not a regular file."
    assert large_one["error"].startswith("The file is too large: It has 1,048,576 MiB")
    assert good["label"]


def test_a_failed_service_is_told_at_once(folder: Path, tmp_path: Path) -> None:
    """Status 2, and why it failed as /health says it."""
    with serving(tmp_path / "nothing") as running:
        done = run(str(folder), "--url", running.url)
    assert (done.returncode, done.stdout) == (2, "")
    assert "'failed': 0 of 3 models can vote" in done.stderr


def test_wrong_usage_is_told_with_status_2(folder: Path, tmp_path: Path) -> None:
    """No picture, a format that does not exist, no file, and a service that is not there."""
    empty = tmp_path / "empty"
    empty.mkdir()
    for arguments, word in (
        ([str(empty)], "no pictures in"),
        ([str(folder), "--format", "xml"], "csv, json, ndjson"),
        ([], "Missing argument"),
        ([str(folder), "--url", "http://127.0.0.1:9"], "no service answers"),
        ([str(folder), "--url", "http://127.0.0.1:99999"], "no service answers"),
        ([str(folder), "--url", "127.0.0.1:9"], "must begin with http:// or https://"),
        ([str(folder), "--url", "ftp://127.0.0.1"], "must begin with http:// or https://"),
        ([f"{folder}/nope*.png", f"{folder}/none.png"], f"There is no file {folder}/nope*.png, {folder}/none.png."),
    ):
        done = run(*arguments)
        assert done.returncode == 2, done.stdout + done.stderr
        assert word in done.stderr
        assert "Traceback" not in done.stderr
        assert done.stdout == ""


def test_an_address_that_the_service_does_not_take_is_told_in_its_words(server: Process, folder: Path) -> None:
    """Its own error stands there, not that it is another service."""
    done = run(str(folder), "--url", f"{server.url}/below")
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{server.url}/below: There is no such page." in done.stderr


def test_an_output_that_cannot_be_written_is_told(server: Process, folder: Path) -> None:
    """Before anything is sent."""
    done = run(str(folder), "--url", server.url, "--output", f"{folder}/none/digits.csv")
    assert done.returncode == 2
    assert "No such file" in done.stderr


def test_rows_that_cannot_be_written_are_told(server: Process, folder: Path) -> None:
    """A full disk ends with one line and status 2, be it a file's or stdout's."""
    arguments = (f"{folder}/00*.png", "--url", server.url)
    done = run(*arguments, "--output", "/dev/full")
    assert (done.returncode, done.stderr) == (2, "/dev/full: it cannot be written: No space left on device\n")
    command = [sys.executable, "-m", "service", "predict", *arguments]
    with Path("/dev/full").open("w") as full:
        told = subprocess.run(command, cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True, timeout=120)
    assert (told.returncode, told.stderr) == (2, "stdout: it cannot be written: No space left on device\n")


def test_names_are_written_in_any_locale(server: Process, tmp_path: Path) -> None:
    """Stdout is UTF-8, also where Python takes it for ASCII."""
    path = tmp_path / "sechs-\u516d.png"
    path.write_bytes(PICTURES[0])
    done = run(str(path), "--url", server.url, PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert str(path) in done.stdout


class Flaky(BaseHTTPRequestHandler):
    """Is starting, then ready; answers the first POST by 503, breaks the second off, and answers the third."""

    asked = 0
    met = 0
    answers = 1
    protocol_version = "HTTP/1.1"

    def log_message(self, *_arguments: object) -> None:
        """Silence."""

    def do_GET(self) -> None:
        """Health."""
        type(self).asked += 1
        told = {"state": "ready"} if self.asked > 1 else {"state": "starting", "reason": "being loaded"}
        self._answer(200 if self.asked > 1 else 503, told)

    def do_POST(self) -> None:
        """Many pictures."""
        self.rfile.read(int(self.headers["content-length"]))
        type(self).met += 1
        if self.met == 1:
            self._answer(503, {"title": "Busy", "detail": "Try again."})
        elif self.met == 2:
            self.close_connection = True
        else:
            answer = {"index": 0, "name": "a", "error": {"title": "Odd", "detail": "Even."}}
            self._answer(200, {"answers": [answer] * self.answers})

    def _answer(self, status: int, told: object) -> None:
        body = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Retry-After", "0")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def flaky(answers: int = 1) -> Iterator[str]:
    Flaky.asked, Flaky.met, Flaky.answers = 0, 0, answers
    with ThreadingHTTPServer(("127.0.0.1", 0), Flaky) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_busy_service_and_a_broken_connection_are_asked_again(folder: Path) -> None:
    """While it starts it is waited for, and a line says so; after a 503 and a break the third answer counts."""
    with flaky() as url:
        done = run(f"{folder}/000.png", "--url", url)
    assert Flaky.met == 3
    assert "Odd: Even." in done.stdout
    assert f"{url}: the service is starting, being loaded. Waiting for it." in done.stderr


def test_answers_that_are_not_one_for_each_file_are_no_answers(folder: Path) -> None:
    """Rather than a crash, or a prediction beside another's file."""
    with flaky(answers=4) as url:
        done = run(f"{folder}/000.png", "--url", url)
    assert done.returncode == 1, done.stderr
    assert "The service did not answer: Its answers are not one for each file." in done.stdout


_MORTAL = """\
import os, runpy, service.routes.batch

async def end(*_):
    os._exit(1)

service.routes.batch.read_uploads = end
runpy.run_module("service", run_name="__main__")
"""


def test_a_service_that_ends_meanwhile_leaves_rows_with_an_error(folder: Path, artifacts: Path) -> None:
    """What it did not answer is told in the rows, which are written all the same."""
    with serving(artifacts, command=(sys.executable, "-c", _MORTAL)) as running:
        done = run(str(folder), "--url", running.url)
    assert done.returncode == 1
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert len(rows) == 302
    told = [row["error"].partition(":")[0] for row in rows if not row["file"].endswith("200a.png")]
    assert set(told) == {"The service did not answer"}


_IMPORTED = (
    "import sys, service.__main__, service.client.files, service.client.send; "
    "print({'torch', 'cv2', 'PIL', 'fastapi', 'uvicorn'} & set(sys.modules))"
)


def test_the_command_imports_neither_torch_nor_what_serves() -> None:
    """It starts as fast as its own few packages are imported."""
    done = subprocess.run([sys.executable, "-c", _IMPORTED], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stderr


def test_a_key_is_sent_where_the_service_wants_one(artifacts: Path, folder: Path) -> None:
    """By --key or the environment, and past its rate it waits; with a wrong one or none the status is 2."""
    key = "lab-key-0123456789"
    refused = {(): "A key is needed", ("--key", f"{key}x"): "not known", ("--key", "\u00e4"): "ASCII"}
    with serving(artifacts, api_keys=f"lab:{key}", rate=2, burst=1, log_level="error") as running:
        pictures = (f"{folder}/???.png", "--url", running.url)
        assert run(*pictures, "--key", key).returncode == 0
        assert run(f"{folder}/000.png", "--url", running.url, DIGITVOTE_KEY=key).returncode == 0
        for wrong, words in refused.items():
            done = run(*pictures, *wrong)
            assert done.returncode == 2, done.stderr
            assert words in done.stderr
            assert key not in done.stderr
            assert "Traceback" not in done.stderr
