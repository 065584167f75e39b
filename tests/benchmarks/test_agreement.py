import subprocess
import sys

from tests.support import ROOT, cells


def test_engines_and_ways_are_held_beside_each_other() -> None:
    """Each model has a row of differences, and of what it reads right both ways, as has the vote."""
    command = [sys.executable, "-m", "benchmarks.agreement", "--digits=70", "--data=tests/data"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = {row[0]: row[1:] for row in cells(done.stdout)}
    assert [float(rows["gate"][column]) < 1e-4 for column in (0, 2, 4)] == [True] * 3
    assert [row[2:] for name, row in rows.items() if name in ("mlp", "cnn", "lenet5", "vote: weighted")] == [
        ["+0.00", "0"]
    ] * 4
