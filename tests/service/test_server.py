import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest

from service.app import create_app
from service.server import Server
from service.settings import Settings
from tests.service.waiting import address, counted, refused
from tests.support import ROOT, Process, drawing, encoded, serving
from tests.waiting import until


def greeting(server: Process) -> str:
    """What it printed, once the last line of its greeting is there."""
    while "try" not in (said := "".join(server.output)):
        time.sleep(0.01)
    return said


def test_where_a_key_is_needed_the_curl_line_says_so(artifacts: Path) -> None:
    """The line that is printed to try the service holds a place for the key, and no key."""
    with serving(artifacts, api_keys="lab:lab-key-0123456789") as server:
        assert f"curl -H 'X-API-Key: KEY' -F file=@docs/examples/seven.png {server.url}/predict" in greeting(server)


def test_it_says_where_it_serves_and_how_to_try_it(artifacts: Path) -> None:
    """Once it is ready the process prints the address, the docs page and a curl line."""
    with serving(artifacts) as server:
        said = greeting(server)
        assert f"digitvote is ready at {server.url}" in said
        assert f"{server.url}/docs" in said
        assert f"curl -F file=@docs/examples/seven.png {server.url}/predict" in said
        assert httpx.get(f"{server.url}/health").json()["state"] == "ready"


def test_sigterm_finishes_what_is_in_flight_and_exits_0(artifacts: Path) -> None:
    """A request whose body is still coming when SIGTERM arrives is answered; then the process exits 0."""
    picture = encoded(drawing())
    body = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n' + picture + b"\r\n--x--\r\n"
    head = (
        "POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=x\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    with serving(artifacts) as server:
        with socket.create_connection(address(server)) as connection:
            connection.sendall(head.encode() + body[:100])
            until(lambda: counted(server, "in_flight") == 1)
            stopping = threading.Thread(target=server.stop)
            stopping.start()
            until(lambda: refused(address(server)))
            connection.sendall(body[100:])
            answer = b""
            while piece := connection.recv(65536):
                answer += piece
        stopping.join()
        assert answer.startswith(b"HTTP/1.1 200 OK")
        assert b'"votes"' in answer
        assert server.process.returncode == 0


def test_while_it_drains_the_listener_is_closed(artifacts: Path) -> None:
    """After SIGTERM new connections are refused while the old request is still being finished."""
    with serving(artifacts) as server:
        where = address(server)
        with socket.create_connection(where) as connection:
            connection.sendall(b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n")
            connection.sendall(b"Content-Type: multipart/form-data; boundary=x\r\n\r\n")
            until(lambda: counted(server, "in_flight") == 1)
            server.process.terminate()
            until(lambda: refused(where))
            assert server.process.poll() is None
            connection.sendall(b"empty")
            assert connection.recv(65536).startswith(b"HTTP/1.1 400")
        assert server.process.wait(60) == 0


def test_one_that_never_ends_is_cut_off_after_the_grace_time(artifacts: Path) -> None:
    """A request that does not end holds the exit up for DIGITVOTE_GRACE seconds and no longer."""
    with serving(artifacts, grace=1) as server:
        where = address(server)
        with socket.create_connection(where) as connection:
            connection.sendall(b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n")
            connection.sendall(b"Content-Type: multipart/form-data; boundary=x\r\n\r\n")
            until(lambda: counted(server, "in_flight") == 1)
            assert server.stop() == 0
            assert connection.recv(65536).startswith(b"HTTP/1.1 503")
    assert "Traceback" not in "".join(server.output)


@pytest.mark.parametrize("delay", [0.05, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95, 1.1, 1.3, 1.6, 2.0])
def test_sigterm_during_the_start_ends_it(artifacts: Path, delay: float) -> None:
    """A process that is told to end while it still imports or loads ends at once, with status 0."""
    process = subprocess.Popen(
        # An ignored signal stands for process 1 of a container, whose default is to ignore it.
        ["sh", "-c", "trap '' TERM; exec \"$0\" -m service", sys.executable],
        cwd=ROOT,
        env={**os.environ, "DIGITVOTE_ARTIFACTS": str(artifacts), "DIGITVOTE_PORT": "0"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    time.sleep(0.3 + delay)
    process.terminate()
    try:
        assert process.wait(60) == 0
    finally:
        process.kill()


def test_a_decoder_at_work_does_not_outlast_the_grace_time(artifacts: Path, tmp_path: Path) -> None:
    """The process exits 0 after its grace time, even if a picture is still being decoded in a thread."""
    slow = tmp_path / "slow.py"
    slow.write_text(
        "import time, runpy, imaging\n"
        "imaging.decode = lambda *_: time.sleep(600)\n"
        "import service.ensemble\n"
        "service.ensemble.warm_up = lambda: None\n"
        "runpy.run_module('service', run_name='__main__')\n"
    )
    with serving(artifacts, command=(sys.executable, str(slow)), grace=1) as server:
        uploading = threading.Thread(target=_upload_unanswered, args=(f"{server.url}/predict",))
        uploading.start()
        until(lambda: counted(server, "in_flight") == 1)
        assert server.stop() == 0  # which waits for it, but not so long
        uploading.join()


def _upload_unanswered(url: str) -> None:
    with contextlib.suppress(httpx.HTTPError):
        httpx.post(url, files={"file": encoded(drawing())}, timeout=30)


def test_a_server_that_is_told_to_end_before_it_began_ends(artifacts: Path) -> None:
    """handle_exit before the lifespan has begun is a plain exit."""
    settings = Settings(artifacts=artifacts)
    server = Server(create_app(settings), settings)
    server.handle_exit(signal.SIGTERM, None)
    assert server.should_exit


def test_one_json_line_a_request_with_its_id(artifacts: Path) -> None:
    """Each request is one log line with id, route, status and time, and no picture in it."""
    with serving(artifacts, log="json") as server:
        httpx.post(f"{server.url}/predict", files={"file": encoded(drawing())}, headers={"X-Request-ID": "id-1"})
        httpx.get(f"{server.url}/nowhere")
        server.stop()
        lines = [json.loads(line) for line in server.output if line.startswith("{")]
    requests = [line for line in lines if line["event"] == "request"]
    assert [(line["path"], line["status"]) for line in requests] == [("/predict", 200), ("/nowhere", 404)]
    assert requests[0]["request_id"] == "id-1"
    assert requests[0]["label"] in range(10)
    assert requests[0]["ms"] > 0
    assert all(len(json.dumps(line)) < 1000 for line in lines)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_taken_port_is_told_in_a_line(artifacts: Path, workers: int) -> None:
    """When the port is in use the process says so, what to do, and ends with status 2."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        settings = {"ARTIFACTS": str(artifacts), "PORT": port, "WORKERS": str(workers)}
        done = subprocess.run(
            [sys.executable, "-m", "service"],
            cwd=ROOT,
            env=os.environ | {f"DIGITVOTE_{name}": value for name, value in settings.items()},
            capture_output=True,
            text=True,
        )
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"DIGITVOTE_HOST='127.0.0.1', DIGITVOTE_PORT={port}: Address already in use")
    assert "port 0 takes a free one" in line


def test_a_service_without_models_says_what_to_do(tmp_path: Path) -> None:
    """With an empty artifacts folder it serves 503, and both the log and /health say how to mend it."""
    with serving(tmp_path / "absent") as server:
        assert "digitvote is failed at" in "".join(server.output)
        health = httpx.get(f"{server.url}/health")
        assert health.status_code == 503
        assert "train a model, or set DIGITVOTE_ARTIFACTS" in health.json()["models"][0]["reason"]


def test_whatever_pillow_warns_of_stays_out_of_the_log(artifacts: Path) -> None:
    """Each line of output is JSON, whatever files and forms are sent."""
    with serving(artifacts, log="json") as server:
        cut = encoded(drawing(), "TIFF")[:-30]
        for content in (cut, b"", b"GIF89a"):
            httpx.post(f"{server.url}/predict", files={"file": content})
        httpx.post(f"{server.url}/predict", content=b"x", headers={"content-type": "multipart/form-data; boundary=b"})
        server.stop()
    after = "".join(server.output).split("/predict\n", 1)[1].strip().splitlines()
    assert len(after) == 4
    assert all(json.loads(line)["event"] == "request" for line in after)


_IMPORTED = (
    "import sys, service.app, service.workers, service.__main__; "
    "print([n for n in sys.modules if n.split('.')[0] in {forbidden}])"
)


def test_serving_needs_neither_trainer_nor_torchvision_nor_matplotlib() -> None:
    """What the service imports is what its own extra installs."""
    forbidden = {"trainer", "torchvision", "matplotlib"}
    done = subprocess.run(
        [sys.executable, "-c", _IMPORTED.format(forbidden=forbidden)], cwd=ROOT, capture_output=True, text=True
    )
    assert done.stdout.strip() == "[]", done.stderr
