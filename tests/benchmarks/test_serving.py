import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.load import Outcome, by_client, by_wrk, driver, read_wrk
from benchmarks.plot import draw
from benchmarks.servers import Server, Unfit, ours, own, running
from benchmarks.table import Cells, Key, rows
from tests.support import ROOT, cells


def _outcome(rate: float, errors: int = 0) -> Outcome:
    return Outcome(2.0, round(2 * rate), errors, 1.0, 9.0, Counter({1: 1, 8: 3}))


MEASURED: Cells = {
    Key("floor", 1, "28", 32): [_outcome(4000), _outcome(5000), _outcome(4400)],
    Key("tutorial", 1, "28", 32): [_outcome(600), _outcome(700), _outcome(650)],
    Key("torch", 1, "28", 32): [_outcome(2000), _outcome(3000, errors=2), _outcome(2200)],
    Key("torch", 2, "28", 32): [_outcome(3000), _outcome(4500), _outcome(4400)],
    Key("ray", 1, "28", 32): [_outcome(900), _outcome(1600), _outcome(1000)],
    Key("bentoml", 1, "28", 32): [_outcome(1000), _outcome(1500), _outcome(1100)],
    Key("torch", 1, "400", 32): [_outcome(100)],
}


def test_benchmark_measures_floor_tutorial_and_service_without_errors() -> None:
    """A short run ends with a row for each server and number of clients, and no answer is wrong."""
    command = [sys.executable, "-m", "benchmarks.serving", "--only", "floor", "tutorial", "torch", "--workers=1"]
    done = subprocess.run(
        [*command, "--pictures=28", "--seconds=1", "--rounds=1"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    heading, _, *figures = cells(done.stdout)
    assert [(row[0], row[2]) for row in figures] == [
        (server, clients) for clients in ("1", "32") for server in ("floor", "tutorial", "torch")
    ]
    assert all(row[heading.index("errors")] == "0" for row in figures)
    assert all(row[heading.index("of the tutorial")] for row in figures)
    assert all(row[heading.index("median batch")] for row in figures if row[0] == "torch")
    assert "torch 2" in done.stdout
    assert "28x28 PNG" in done.stdout


def test_ratios_are_to_the_same_picture_clients_and_workers() -> None:
    """A row's ratios are the median, least and greatest of its rounds'; without a floor of its own it has none."""
    heading, _, floor, _, torch, two, *_ = cells("\n".join(rows(MEASURED, "28")))
    place = heading.index("of the floor")
    assert (floor[place], two[place]) == ("1.00 (1.00 to 1.00)", "")
    assert torch[place] == "0.50 (0.50 to 0.60)"
    assert torch[place + 1] == "3.38 (3.33 to 4.29)"
    assert torch[3] == "2,200 (2,000 to 3,000)"
    assert torch[heading.index("p99/p50")] == "9.0 (9.0 to 9.0)"
    assert torch[heading.index("median batch")] == "8"
    assert torch[heading.index("errors")] == "2"


def test_two_workers_are_held_against_one_and_each_row_against_the_fastest_peer() -> None:
    """Of one worker is the same server's; the best peer is the one with the highest median of that cell."""
    heading, _, *figures = cells("\n".join(rows(MEASURED, "28")))
    told = {
        (row[0], row[1]): (row[heading.index("of one worker")], row[heading.index("of the best peer")])
        for row in figures
    }
    assert told["torch", "2"] == ("1.50 (1.50 to 2.00)", "")
    assert told["torch", "1"] == ("", "2.00 (2.00 to 2.00)")
    assert told["bentoml", "1"] == ("", "1.00 (1.00 to 1.00)")


def test_the_last_line_of_wrk_is_read() -> None:
    """What the script prints below wrk's own report becomes an outcome."""
    line = '{"seconds": 2.5, "right": 5000, "errors": 1, "p50": 1.5, "p99": 4.25, "batches": {"1": 2, "16": 7}}'
    outcome = read_wrk(f"Running 2s test\n  Latency  1.5ms\n\n{line}\n")
    assert outcome.rate == 2000
    assert (outcome.errors, outcome.p99, outcome.batches) == (1, 4.25, Counter({1: 2, 16: 7}))


def test_the_driver_is_the_one_that_is_named() -> None:
    """`client` and `wrk` are taken by name, whatever is installed."""
    assert driver("client") is by_client
    assert driver("wrk") is by_wrk


def test_a_server_that_cannot_start_is_told_of_with_its_last_line(tmp_path: Path) -> None:
    """A process that ends, or is not there, makes a server unfit, and the message says why."""
    broken = Server("broken", (sys.executable, "-c", "raise SystemExit('no such engine')"))
    with pytest.raises(Unfit, match="ended with status 1: no such engine"), running(broken, tmp_path):
        pass
    with pytest.raises(Unfit, match="missing: make bench-peers"), running(Server("absent", ("/no/python",)), tmp_path):
        pass


def test_every_row_of_its_own_is_measured_with_one_and_with_two_workers() -> None:
    """The floor, the tutorial and both engines stand in both sizes."""
    names = {"floor", "tutorial", "torch", "onnx"}
    assert {(server.name, server.workers) for server in own()} == {(name, count) for name in names for count in (1, 2)}
    assert ours("onnx", 2).environment["DIGITVOTE_WORKERS"] == "2"


def test_figures_are_drawn(tmp_path: Path) -> None:
    """The plot is a PNG."""
    draw(MEASURED, tmp_path / "figures.png")
    assert (tmp_path / "figures.png").read_bytes().startswith(b"\x89PNG")
