import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks import printed, strips
from benchmarks.numbers import find
from service.way import FEATURES
from tests.mnist import digits, labels
from tests.support import ROOT, cells, publish_three

DIGITS = strips.Digits(digits(), labels())


def test_numbers_are_reported_by_kind_and_drawn_on_a_sheet(tmp_path: Path) -> None:
    """Each kind has a row with its count and shares, and the sheet shows what was read wrong."""
    command = [sys.executable, "-m", "benchmarks.numbers", "--each=1", "--kinds", "clean", "paper"]
    done = subprocess.run(
        [*command, f"--sheet={tmp_path / 'wrong.png'}", f"--artifacts={publish_three(tmp_path / 'models')}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = cells(done.stdout)
    assert [row[:2] for row in rows[2:]] == [["clean", "1"], ["paper", "1"], ["all", "2"]]
    with Image.open(tmp_path / "wrong.png") as sheet:
        assert sheet.width > 1000


def test_weights_are_fitted_to_strips() -> None:
    """A weight is printed for each feature, and of how many lines; the committed models are fitted to."""
    command = [sys.executable, "-m", "benchmarks.way", "--each=2", "--kinds", "clean"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    told = done.stdout.splitlines()
    assert any("lines of 2 strips" in line for line in told)
    weights = dict(line.split() for line in told[-len(FEATURES) :])
    assert list(weights) == list(FEATURES)
    assert np.isfinite([float(weight) for weight in weights.values()]).all()


def test_printed_digits_are_written_by_set_and_label(tmp_path: Path) -> None:
    """Each set has pictures of all ten digits, the same ones again for the same seed."""
    for place in ("one", "two"):
        printed.write(tmp_path / place, each=1, seed=3, others={})
    for name in ("printed", "hershey", "seven_segment"):
        assert {path.name for path in (tmp_path / "one" / name).iterdir()} == set("0123456789")
    for path in (tmp_path / "one").rglob("*.png"):
        assert path.read_bytes() == (tmp_path / "two" / path.relative_to(tmp_path / "one")).read_bytes()


def test_a_folder_is_read_by_the_numbers_in_its_names(tmp_path: Path) -> None:
    """`<anything>_<number>.<ext>` is taken, other files are left out."""
    for name in ("a_1_402.png", "b_7.jpg", "readme_x.txt", "plain.png"):
        (tmp_path / name).write_bytes(b"")
    assert [(each.name, each.text) for each in find(tmp_path)] == [("a_1_402.png", "402"), ("b_7.jpg", "7")]


def test_the_same_seed_makes_the_same_strips() -> None:
    """Strips of one seed are equal, byte for byte, and each kind makes one whose boxes fit its text."""
    for kind in strips.KINDS:
        one, two = (strips.make(DIGITS, kind, 1, seed=3)[0] for _ in range(2))
        assert one == two
        assert len(one.boxes) == len(one.text.replace("\n", ""))
