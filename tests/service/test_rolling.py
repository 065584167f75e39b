import re
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.ports import free_port
from tests.support import ROOT, drawing, encoded, serving
from tests.waiting import until

CONFIG = ROOT / "deploy" / "nginx" / "digitvote.conf"
SENDERS = 4

# Where nothing may be written but here.
FRAME = """
pid {folder}/pid;
error_log {folder}/error;
daemon off;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {part}
}}
"""


@contextmanager
def nginx(folder: Path, ports: dict[int, int]) -> Iterator[str]:
    """The configuration that is shipped, with other ports, until the block ends; yields its address."""
    part = re.sub(r"127\.0\.0\.1:(\d+)", lambda found: f"127.0.0.1:{ports[int(found[1])]}", CONFIG.read_text())
    written = folder / "nginx.conf"
    written.write_text(FRAME.format(folder=folder, part=part))
    process = subprocess.Popen(["nginx", "-e", str(folder / "error"), "-c", str(written)])
    url = f"http://127.0.0.1:{ports[8000]}"
    try:
        until(lambda: _answers(url))
        yield url
    finally:
        process.send_signal(signal.SIGQUIT)
        assert process.wait(10) == 0, (folder / "error").read_text()


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=10).status_code > 0
    except httpx.ConnectError:
        return False


@contextmanager
def sending(url: str) -> Iterator[list[list[int]]]:
    """Senders of pictures, each over a connection of its own, until the block ends; yields the statuses of each."""
    picture, over = encoded(drawing()), threading.Event()

    def send(statuses: list[int]) -> None:
        with httpx.Client(timeout=30) as client:
            while not over.is_set():
                statuses.append(client.post(f"{url}/predict", files={"file": picture}).status_code)

    found: list[list[int]] = [[] for _ in range(SENDERS)]
    threads = [threading.Thread(target=send, args=(statuses,)) for statuses in found]
    for thread in threads:
        thread.start()
    yield found
    over.set()
    for thread in threads:
        thread.join()


@pytest.mark.skipif(not shutil.which("nginx"), reason="no nginx here: make test installs it where it can")
def test_a_rolling_restart_behind_nginx_loses_no_request(artifacts: Path, tmp_path: Path) -> None:
    """Two services are ended by SIGTERM and started anew, one after the other, and every picture is answered by 200."""
    ports = {8000: free_port(), 8001: free_port(), 8002: free_port()}
    both: list[dict[str, Any]] = [{"port": port, "drain_seconds": 0.3} for port in (ports[8001], ports[8002])]
    with ExitStack() as open_ones:
        running = [open_ones.enter_context(serving(artifacts, **settings)) for settings in both]
        url = open_ones.enter_context(nginx(tmp_path, ports))
        assert httpx.post(f"{url}/v2/repository/models/cnn/unload").status_code == 403  # a stranger's
        assert httpx.post(f"{url}/predict/").headers["location"] == f"{url}/predict"  # with nginx's port
        with sending(url) as statuses:
            until(lambda: all(len(each) > 10 for each in statuses))
            for ending, settings in zip(running, both, strict=True):
                assert ending.stop() == 0
                open_ones.enter_context(serving(artifacts, **settings))
            had = [len(each) for each in statuses]
            until(lambda: all(len(each) > number + 10 for each, number in zip(statuses, had, strict=True)))
    assert {status for each in statuses for status in each} == {200}
