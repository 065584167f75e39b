import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from tests.service.waiting import address, counted, refused
from tests.support import ROOT, Linear, Process, drawing, encoded, publish_model, publish_three, serving
from tests.waiting import until

WORKERS = 2


@contextmanager
def two(artifacts: Path, folder: Path, **settings: object) -> Iterator[Process]:
    """The service with two workers, which keep their numbers under a folder of the test's own."""
    command = ("env", f"TMPDIR={folder}", sys.executable, "-m", "service", "--workers", str(WORKERS))
    with serving(artifacts, command=command, **settings) as server:
        yield server


def children(pid: int) -> set[int]:
    """The processes that a process has forked and that are still there."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return {int(child) for child in found}


def predict(server: Process) -> httpx.Response:
    """The answer to a picture that is sent over a connection of its own."""
    return httpx.post(f"{server.url}/predict", files={"file": encoded(drawing())}, timeout=30)


def test_several_workers_serve_one_port_and_say_so_once(artifacts: Path, tmp_path: Path) -> None:
    """Once all are ready the banner stands there once, and each of them answers."""
    with two(artifacts, tmp_path) as server:
        assert len(children(server.process.pid)) == WORKERS
        assert all(predict(server).status_code == 200 for _ in range(8))
        assert counted(server, "state", state="ready") == WORKERS
        assert server.stop() == 0
    assert "".join(server.output).count("digitvote is ready at") == 1


def test_a_worker_that_is_killed_is_replaced_and_requests_go_on(artifacts: Path, tmp_path: Path) -> None:
    """After kill -9 of one worker every new request is answered, and another process takes its place."""
    with two(artifacts, tmp_path) as server:
        before = children(server.process.pid)
        victim = min(before)
        os.kill(victim, signal.SIGKILL)
        assert all(predict(server).status_code == 200 for _ in range(8))
        until(lambda: len(children(server.process.pid) - {victim}) == WORKERS)
        assert children(server.process.pid) - before
        assert all(predict(server).status_code == 200 for _ in range(8))
        assert server.stop() == 0
    assert f'"pid": {victim}, "status": -9, "event": "worker ended", "level": "error"' in "".join(server.output)
    assert "".join(server.output).count("digitvote is ready at") == 1


def test_the_metrics_are_those_of_all_workers_and_a_dead_one_keeps_nothing_in_flight(
    artifacts: Path, tmp_path: Path
) -> None:
    """Counters add up over all workers and outlive one that is killed; what it had in flight does not."""
    picture = encoded(drawing())
    with two(artifacts, tmp_path) as server:
        for _ in range(20):
            assert predict(server).status_code == 200
        assert counted(server, "requests_total", route="/predict", method="POST", status="200") == 20
        where = address(server)
        head = "POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=x\r\n"
        with socket.create_connection(where) as connection:
            connection.sendall(f"{head}Content-Length: {len(picture)}\r\n\r\n".encode())
            until(lambda: counted(server, "in_flight") == 1)
            for victim in children(server.process.pid):  # whichever has it
                os.kill(victim, signal.SIGKILL)
            until(lambda: len(children(server.process.pid)) == WORKERS)
            until(lambda: predict(server).status_code == 200)
            assert counted(server, "in_flight") == 0
        assert counted(server, "requests_total", route="/predict", method="POST", status="200") >= 21
        assert list(tmp_path.iterdir())
        assert server.stop() == 0
    assert not list(tmp_path.iterdir()), "the folder of the metrics is left behind"


def test_sigterm_has_every_worker_finish_what_is_in_flight(artifacts: Path, tmp_path: Path) -> None:
    """Uploads that are still coming to each worker at SIGTERM are answered, new connections refused; status 0."""
    body = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n%s\r\n--x--\r\n' % encoded(
        drawing()
    )
    head = "POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=x\r\n"
    with two(artifacts, tmp_path) as server:
        where = address(server)
        connections = []
        for stopped in children(server.process.pid):  # so that the other has to take the connection
            os.kill(stopped, signal.SIGSTOP)
            connections.append(socket.create_connection(where))
            connections[-1].sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body[:100])
            until(lambda: counted(server, "in_flight") == len(connections))
            os.kill(stopped, signal.SIGCONT)
        stopping = threading.Thread(target=server.stop)
        stopping.start()
        until(lambda: refused(where))
        for connection in connections:
            connection.sendall(body[100:])
            answer = b""
            while piece := connection.recv(65536):
                answer += piece
            assert answer.startswith(b"HTTP/1.1 200 OK")
            connection.close()
        stopping.join()
        assert server.process.returncode == 0


def test_workers_do_not_outlive_their_supervisor(artifacts: Path, tmp_path: Path) -> None:
    """After kill -9 of the supervisor its workers end by themselves and the port is free."""
    with two(artifacts, tmp_path) as server:
        where = address(server)
        server.process.kill()
        until(lambda: refused(where))


def _imports(pid: int, _log: Path) -> bool:
    return "libtorch" in Path(f"/proc/{pid}/maps").read_text()


def _forks(pid: int, _log: Path) -> bool:
    for child in children(pid):
        with suppress(OSError):  # it is gone already
            # A worker has its supervisor's own command; others that come and go during imports, as ldconfig, have not.
            if Path(f"/proc/{child}/cmdline").read_bytes() == Path(f"/proc/{pid}/cmdline").read_bytes():
                return True
    return False


def _loads(_pid: int, log: Path) -> bool:
    return "model loaded" in log.read_text()


def _gone(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.parametrize("phase", [_imports, _forks, _loads])
def test_sigterm_during_the_start_of_several_ends_them_all(
    artifacts: Path, tmp_path: Path, phase: Callable[[int, Path], bool]
) -> None:
    """Told to end while it imports, forks or loads, it ends with status 0 and leaves no process and no file behind."""
    folder, log = tmp_path / "folder", tmp_path / "log"
    folder.mkdir()
    settings = {"DIGITVOTE_ARTIFACTS": str(artifacts), "DIGITVOTE_PORT": "0", "TMPDIR": str(folder)}
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "service", "--workers", str(WORKERS)],
            cwd=ROOT,
            env=os.environ | settings,
            stdout=subprocess.DEVNULL,
            stderr=file,
            start_new_session=True,
        )
    until(lambda: phase(process.pid, log))
    process.terminate()
    assert process.wait(60) == 0
    until(lambda: _gone(process.pid))
    assert not list(folder.iterdir())


def test_without_a_folder_for_temporary_files_it_says_so(artifacts: Path) -> None:
    """Several workers in a place where nothing can be written are refused at the start, in a sentence."""
    code = "import tempfile; tempfile.tempdir = '/proc'; import runpy; runpy.run_module('service', run_name='__main__')"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "DIGITVOTE_ARTIFACTS": str(artifacts), "DIGITVOTE_WORKERS": "2", "DIGITVOTE_PORT": "0"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "several workers need a folder" in done.stderr
    assert "Set TMPDIR" in done.stderr


def test_one_worker_has_no_supervisor_and_no_folder(artifacts: Path, tmp_path: Path) -> None:
    """Of one worker there is one process, and it writes no file."""
    with serving(artifacts, command=("env", f"TMPDIR={tmp_path}", sys.executable, "-m", "service")) as server:
        assert not children(server.process.pid)
        assert predict(server).status_code == 200
        assert counted(server, "state", state="ready") == 1
        assert server.stop() == 0
    assert not list(tmp_path.iterdir())


def test_on_hangup_the_workers_are_replaced_one_by_one_and_load_what_is_new(tmp_path: Path) -> None:
    """After SIGHUP a version published meanwhile votes, and no request was refused in between."""
    artifacts = publish_three(tmp_path / "artifacts")
    with two(artifacts, tmp_path) as server:
        before = children(server.process.pid)
        publish_model(artifacts, "mlp", Linear(7))
        server.process.send_signal(signal.SIGHUP)
        until(lambda: predict(server).status_code != 200 or not before & children(server.process.pid))
        assert not before & children(server.process.pid), "a request was refused"
        assert [vote["version"] for vote in predict(server).json()["votes"]] == [2, 1, 1]
        assert server.stop() == 0


def test_on_hangup_the_workers_stay_where_the_new_ones_could_not_answer(tmp_path: Path) -> None:
    """After SIGHUP with no whole version of a model that the quorum needs, the same workers go on answering."""
    artifacts = publish_three(tmp_path / "artifacts")
    with two(artifacts, tmp_path, quorum=3) as server:
        before = children(server.process.pid)
        (artifacts / "mlp" / "1" / "model.pt").write_bytes(b"")
        server.process.send_signal(signal.SIGHUP)
        statuses = set()

        def aborted() -> bool:
            statuses.add(predict(server).status_code)
            return any("aborting the restart" in line for line in server.output)

        until(aborted)
        assert children(server.process.pid) == before
        assert statuses == {200}
        assert [vote["version"] for vote in predict(server).json()["votes"]] == [1, 1, 1]
        assert server.stop() == 0
    output = "".join(server.output)
    assert '"reason": "2 of 3 models can vote, 3 must", "event": "worker not replaced"' in output
    assert "Traceback" not in output


_HANGS = """
import runpy, signal, time
import service.server
service.server._PATIENCE = 3
signal.signal(signal.SIGALRM, lambda *_: time.sleep(600))
runpy.run_module("service", run_name="__main__")
"""


def test_a_worker_whose_event_loop_hangs_is_replaced(artifacts: Path) -> None:
    """A worker whose main thread does not go on is killed after the supervisor's patience, though others of it do."""
    with serving(artifacts, command=(sys.executable, "-c", _HANGS), workers=WORKERS) as server:
        victim = min(children(server.process.pid))
        os.kill(victim, signal.SIGALRM)
        until(lambda: victim not in children(server.process.pid))
        until(lambda: len(children(server.process.pid)) == WORKERS)
        assert predict(server).status_code == 200
        assert server.stop() == 0
    assert f'"pid": {victim}, "status": -9, "event": "worker ended"' in "".join(server.output)


_THREADS = """
import os
from service.app import create_app
from service.settings import Settings
from service.workers import open_engine
settings = Settings()
open_engine(settings)
create_app(settings)
if not os.fork():
    os._exit(0)
os.wait()
print(len(os.listdir("/proc/self/task")))
"""


def test_no_thread_is_there_when_the_workers_are_forked() -> None:
    """What the supervisor does before it forks starts no thread but BLAS's own, which end at a fork by themselves."""
    with_threads = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    command = [sys.executable, "-c", _THREADS]
    done = subprocess.run(command, cwd=ROOT, env=with_threads, capture_output=True, text=True)
    assert done.stdout.strip() == "1", done.stderr
