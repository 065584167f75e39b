"""`python -m service predict` against a real service."""

import csv
import io
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

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


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "service", "predict", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)


def test_a_folder_becomes_rows_in_order(server: Process, folder: Path) -> None:
    """Each file is a row, bad ones with an error; what the service finds too large is sent in halves."""
    done = run(str(folder), "--url", server.url)
    assert done.returncode == 1, done.stderr
    assert "300 read, 2 failed" in done.stderr
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [row["file"] for row in rows] == sorted(str(path) for path in folder.iterdir())
    bad = {Path(row["file"]).name: row["error"] for row in rows if row["error"]}
    assert set(bad) == {"100a.png", "200a.png"}
    assert bad["200a.png"].startswith("The file is empty: ")
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


def test_wrong_usage_is_told_with_status_2(folder: Path, tmp_path: Path) -> None:
    """No picture, a format that does not exist, no file, and a service that is not there."""
    empty = tmp_path / "empty"
    empty.mkdir()
    for arguments, word in (
        ([str(empty)], "no pictures in"),
        ([str(folder), "--format", "xml"], "csv, json, ndjson"),
        ([], "Missing argument"),
        ([str(folder), "--url", "http://127.0.0.1:9"], "no service answers"),
        ([str(folder), "--url", "nowhere"], "no service answers"),
    ):
        done = run(*arguments)
        assert done.returncode == 2, done.stdout + done.stderr
        assert word in done.stderr
        assert "Traceback" not in done.stderr
        assert done.stdout == ""


def test_an_output_that_cannot_be_written_is_told(server: Process, folder: Path) -> None:
    """Before anything is sent."""
    done = run(str(folder), "--url", server.url, "--output", f"{folder}/none/digits.csv")
    assert done.returncode == 2
    assert "No such file" in done.stderr


class Flaky(BaseHTTPRequestHandler):
    """Answers the first request of many pictures by 503, breaks the second off, and answers the third."""

    met = 0
    protocol_version = "HTTP/1.1"

    def log_message(self, *_arguments: object) -> None:
        """Silence."""

    def do_GET(self) -> None:
        """Health."""
        self._answer(200, {"state": "ready"})

    def do_POST(self) -> None:
        """Many pictures."""
        self.rfile.read(int(self.headers["content-length"]))
        type(self).met += 1
        if self.met == 1:
            self._answer(503, {"title": "Busy", "detail": "Try again."})
        elif self.met == 2:
            self.close_connection = True
        else:
            self._answer(200, {"answers": [{"index": 0, "name": "a", "error": {"title": "Odd", "detail": "Even."}}]})

    def _answer(self, status: int, told: object) -> None:
        body = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Retry-After", "0")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def flaky() -> Iterator[str]:
    Flaky.met = 0
    with ThreadingHTTPServer(("127.0.0.1", 0), Flaky) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_busy_service_and_a_broken_connection_are_asked_again(folder: Path) -> None:
    """A 503 is waited for and what broke is sent again, so that the third answer counts."""
    with flaky() as url:
        done = run(f"{folder}/000.png", "--url", url)
    assert Flaky.met == 3
    assert "Odd: Even." in done.stdout


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
    assert all(row["error"].startswith("The service did not answer: ") for row in rows)


_IMPORTED = (
    "import sys, service.__main__, service.client.files, service.client.send; "
    "print({'torch', 'cv2', 'PIL', 'fastapi', 'uvicorn'} & set(sys.modules))"
)


def test_the_command_imports_neither_torch_nor_what_serves() -> None:
    """It starts as fast as its own few packages are imported."""
    done = subprocess.run([sys.executable, "-c", _IMPORTED], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stderr
