import os
import re
import socket
import subprocess
import sys
import time

from benchmarks.crowd import CLIENTS, OUTCOMES, Reports
from benchmarks.soak import peers, table
from tests.support import ROOT, cells


def test_what_ends_with_a_killed_worker_is_told_apart() -> None:
    """A request dies with a worker that had its connection, not one that took the same port later."""
    reports = Reports()
    began = time.monotonic()
    reports.bury({5000})
    assert reports.died(5000, began)
    assert not reports.died(5001, began)
    assert not reports.died(5000, time.monotonic() + 1)


def test_a_process_knows_its_clients() -> None:
    """The ports of connections that it accepted are its peers', also of one that it has not read from."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()) as client,
        listener.accept()[0],
    ):
        assert client.getsockname()[1] in peers(os.getpid())


def test_the_table_has_a_row_for_each_client_and_a_sum() -> None:
    """Counts stand under their outcomes."""
    reports = Reports()
    for client, outcome in [("batch", "right"), ("batch", "lost"), ("slow", "cut off")]:
        reports.add(client, outcome, "why")
    rows = {row[0]: row[1:] for row in cells(table(reports))}
    assert rows["client"] == ["sent", *OUTCOMES]
    assert rows["batch"][0] == "2"
    assert rows["all"][1 + OUTCOMES.index("lost")] == "1"
    assert reports.remarks == ["batch: lost: why"]


def test_a_short_soak_loses_nothing_and_answers_nothing_wrong() -> None:
    """Every kind of client at once, versions published and a worker killed: no wrong, lost or failed answer."""
    command = [sys.executable, "-m", "benchmarks.soak", "--seconds", "12", "--kills", "1", "--versions", "4"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = {row[0]: dict(zip(OUTCOMES, row[2:], strict=True)) for row in cells(done.stdout) if row[0] in CLIENTS}
    assert all(int(rows[name]["right"].replace(",", "")) for name in CLIENTS if name != "vanishing"), done.stdout
    assert int(rows["vanishing"]["gone"].replace(",", "")) > 0
    assert re.search(r"1 workers killed; 2 good and 2 corrupt versions published", done.stdout)
