"""Looking at the data."""

import io
import re
from pathlib import Path

from PIL import Image

from tests.trainer.conftest import OTHER, TINY, cli


def test_show(tmp_path: Path) -> None:
    """`show` counts each label in each part, and writes a picture of digits above their distortions."""
    out = tmp_path / "digits.png"
    done = cli("show", *OTHER, "--recipe", TINY, "--out", out)
    assert done.returncode == 0, done.stderr
    rows = dict(re.findall(r"^(\w+) +(.*?) *$", done.stdout, re.MULTILINE))
    assert [rows[str(label)].split() for label in range(10)] == [["30", "10", "20"]] * 10
    assert rows["all"].split() == ["300", "100", "200"]
    assert f"wrote {out}" in done.stdout
    with Image.open(io.BytesIO(out.read_bytes())) as picture:
        assert picture.format == "PNG"
        assert min(picture.size) > 300


def test_forms(tmp_path: Path) -> None:
    """`--forms` writes a sheet of the drawn digits too, form by form."""
    forms = tmp_path / "forms.png"
    done = cli("show", *OTHER, "--recipe", TINY, "--out", tmp_path / "digits.png", "--forms", forms)
    assert done.returncode == 0, done.stderr
    assert f"wrote {forms}" in done.stdout
    with Image.open(forms) as picture:
        assert picture.height > picture.width  # a row each of some forty forms


def test_nowhere_to_write(tmp_path: Path) -> None:
    """A picture that cannot be written is one line that names its file, and status 2."""
    done = cli("show", *OTHER, "--recipe", TINY, "--out", tmp_path / "absent" / "digits.png")
    assert done.returncode == 2
    assert re.fullmatch(r"error: .*digits\.png: No such file or directory\n", done.stderr)
