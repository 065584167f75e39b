"""Two versions side by side."""

import io
import re
from pathlib import Path

import pytest
from PIL import Image

from tests.trainer.conftest import OTHER, TinyRun, cli
from trainer.compare import mcnemar


def test_mcnemar() -> None:
    """The exact p is twice the smaller tail of a fair coin, at most 1, also for counts beyond a float's range."""
    assert mcnemar(0, 0) == 1
    assert mcnemar(5, 5) == 1
    assert mcnemar(0, 5) == 2 / 32
    assert mcnemar(1, 9) == mcnemar(9, 1) == pytest.approx(2 * (1 + 10) / 1024)
    assert mcnemar(2000, 3000) < 1e-40


def test_compare(tiny_run: TinyRun, tmp_path: Path) -> None:
    """Two models are compared picture by picture: the counts add up, and the digits that differ are drawn."""
    out = tmp_path / "differences.png"
    done = cli("compare", "mlp=1", "cnn=1", *OTHER, "--artifacts", tiny_run.artifacts, "--out", out)
    assert done.returncode == 0, done.stderr
    counts = re.search(r"both right (\d+); only mlp 1 (\d+); only cnn 1 (\d+); both wrong (\d+), (\d+) of", done.stdout)
    assert counts is not None
    right, first, second, wrong, _ = map(int, counts.groups())
    assert right + first + second + wrong == 200
    errors = re.search(r"^errors +(\d+) +(\d+)", done.stdout, re.MULTILINE)
    assert errors is not None
    assert [int(count) for count in errors.groups()] == [second + wrong, first + wrong]
    assert f"p = {mcnemar(first, second):.3g}," in done.stdout
    with Image.open(io.BytesIO(out.read_bytes())) as picture:
        assert picture.format == "PNG"


def test_with_itself(tiny_run: TinyRun, tmp_path: Path) -> None:
    """A version and itself differ nowhere, which is no error."""
    out = tmp_path / "none.png"
    done = cli("compare", "mlp=1", "mlp=1", *OTHER, "--artifacts", tiny_run.artifacts, "--out", out)
    assert done.returncode == 0, done.stderr
    assert "p = 1, within chance" in done.stdout
    assert out.exists()
