import subprocess
import sys
from pathlib import Path

from tests.support import ROOT, publish_three


def test_benchmark_measures_both_servers_without_errors(tmp_path: Path) -> None:
    """A short run ends with a row for each server and number of clients, and no request fails."""
    command = [sys.executable, "-m", "benchmarks.serving", "--seconds=0.3", "--rounds=1"]
    done = subprocess.run(
        [*command, f"--artifacts={publish_three(tmp_path)}"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in done.stdout.splitlines() if "|" in line]
    heading, _, *figures = rows
    assert [(row[0], row[1]) for row in figures] == [
        ("floor", "1"),
        ("digitvote", "1"),
        ("floor", "32"),
        ("digitvote", "32"),
    ]
    assert all(row[heading.index("errors")] == "0" for row in figures)
    assert all(row[heading.index("median batch")] for row in figures if row[0] == "digitvote")
    assert "torch" in done.stdout
