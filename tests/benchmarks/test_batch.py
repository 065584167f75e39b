import subprocess
import sys
from pathlib import Path

from tests.support import ROOT, cells, publish_three


def test_benchmark_measures_the_route_and_the_command(tmp_path: Path) -> None:
    """A short run ends with a rate for each, and the machine they are of."""
    words = ["--pictures=60", "--rounds=1", "--data=tests/data", f"--artifacts={publish_three(tmp_path)}"]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.batch", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = cells(done.stdout)[2:]
    assert [row[0] for row in rows] == ["the route alone", "the command"]
    assert all(float(row[2]) > 0 for row in rows)
    assert "torch" in done.stdout
