import subprocess
import sys
from pathlib import Path

from PIL import Image

from benchmarks import trouble
from tests.support import ROOT, cells, publish_three


def test_pictures_are_reported_by_set_and_drawn_on_a_sheet(tmp_path: Path) -> None:
    """Each set has a row with its count and shares, and the sheet shows what was read wrong."""
    folder = tmp_path / "pictures"
    trouble.write(folder, ["clean", "turned", "sixteen_bit"], range(4), seed=0)
    (folder / "clean" / "0" / "blank.png").parent.mkdir(exist_ok=True)
    Image.new("L", (40, 40)).save(folder / "clean" / "0" / "blank.png")
    (folder / "others" / "none").mkdir(parents=True)
    Image.linear_gradient("L").save(folder / "others" / "none" / "gradient.png")
    command = [sys.executable, "-m", "benchmarks.pictures", str(folder), f"--sheet={tmp_path / 'wrong.png'}"]
    done = subprocess.run(
        [*command, f"--artifacts={publish_three(tmp_path / 'models')}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = cells(done.stdout)
    assert [row[:2] for row in rows[2:]] == [
        ["clean", "5"],
        ["others", "1"],
        ["sixteen_bit", "4"],
        ["turned", "4"],
        ["all", "13"],
    ]
    assert all(row[3].endswith(" %") for row in rows[2:])
    with Image.open(tmp_path / "wrong.png") as sheet:
        assert sheet.width > 1000


def test_the_same_seed_makes_the_same_trouble(tmp_path: Path) -> None:
    """Pictures of one seed are equal, byte for byte, and each kind makes one."""
    for name in ("one", "two"):
        trouble.write(tmp_path / name, list(trouble.KINDS), range(1), seed=3)
    ones, twos = (sorted(path for path in (tmp_path / name).rglob("*.*")) for name in ("one", "two"))
    assert len(ones) == len(twos) == len(trouble.KINDS)
    assert all(one.read_bytes() == two.read_bytes() for one, two in zip(ones, twos, strict=True))
