import subprocess
import sys

from benchmarks.agreement import beside
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


def test_answers_of_two_services_are_held_beside_each_other() -> None:
    """Labels and votes that differ are counted, and the largest difference of probabilities is told."""

    def answer(label: int, *votes: int) -> dict[str, object]:
        told = [{"model": "cnn", "label": vote, "probabilities": [0.5 + vote / 10, 0.5 - vote / 10]} for vote in votes]
        return {"label": label, "votes": told}

    told = beside([answer(1, 1, 1), answer(0, 0, 1)], [answer(1, 1, 1), answer(1, 1, 1)])
    assert told == "of 2 answers 1 labels differ, of 4 votes 1, and probabilities by 1.0e-01 at most"
