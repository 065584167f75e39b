"""A folder of pictures by label."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import imaging
from tests.trainer.sources.conftest import write_pictures
from trainer import sources
from trainer.errors import TrainerError
from trainer.mnist import Mnist
from trainer.sources import pictures
from trainer.sources.source import joined


def test_read_as_the_service_reads(small: Mnist, tmp_path: Path) -> None:
    """Each picture is what imaging makes of it, under the label of its folder, of any format and nested deeper."""
    write_pictures(tmp_path / "own", small, 60)
    write_pictures(tmp_path / "own", small, 20, ".webp")
    (tmp_path / "own" / "3" / "deeper").mkdir()
    one = sorted((tmp_path / "own" / "7").glob("*.png"))[-1]  # of which there is no second, as WebP
    shutil.move(one, tmp_path / "own" / "3" / "deeper" / "A PICTURE.PNG")
    (tmp_path / "own" / "3" / "notes.txt").write_text("of no interest")
    (tmp_path / "own" / ".cache").mkdir()
    found = pictures.read(tmp_path / "own", pytest.fail)
    assert len(found.training) + len(found.test) == 80
    moved = tmp_path / "own" / "3" / "deeper" / "A PICTURE.PNG"
    seen = (imaging.read(moved.read_bytes(), 10**6).picture[0] * 255).round()
    whole = joined([found.training, found.test])
    (place,) = np.flatnonzero((whole.pictures == seen).all(axis=(1, 2)))
    assert whole.labels[place] == 3


def test_train_and_test(small: Mnist, tmp_path: Path) -> None:
    """With `train/` and `test/` nothing is held back: what is in `test/` is the test part."""
    write_pictures(tmp_path / "train", small, 60)
    write_pictures(tmp_path / "test", small, 40, ".bmp")
    found = pictures.read(tmp_path, pytest.fail)
    assert len(found.training) == 60
    assert len(found.test) == 40
    assert sources.load([str(tmp_path)], say=lambda _: None).source == f"pictures:{tmp_path.name}"


def test_copy_is_the_same_data(small: Mnist, tmp_path: Path) -> None:
    """One digest tells a folder's pictures: under other names and in another place they are the same data."""
    write_pictures(tmp_path / "a" / "own", small, 60)
    for number, path in enumerate(sorted((tmp_path / "a" / "own").rglob("*.png"), reverse=True)):
        place = tmp_path / "b" / "own" / path.parent.name
        place.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place / f"{number}.png")
    one, other = (pictures.read(tmp_path / place / "own", pytest.fail) for place in "ab")
    assert one.sha256 == other.sha256
    assert list(one.sha256) == ["pictures:own"]
    assert np.array_equal(one.training.pictures, other.training.pictures)
    next((tmp_path / "b" / "own").rglob("*.png")).unlink()
    assert pictures.read(tmp_path / "b" / "own", pytest.fail).sha256 != one.sha256


def test_unreadable(small: Mnist, tmp_path: Path) -> None:
    """Few that cannot be read are named and left out, with why; more than 5 % are refused, the first ones named."""
    write_pictures(tmp_path, small, 60)
    (tmp_path / "0" / "broken.png").write_bytes(next(tmp_path.rglob("*.png")).read_bytes()[:200])
    (tmp_path / "1" / "empty.jpg").touch()
    said: list[str] = []
    found = pictures.read(tmp_path, said.append)
    assert len(found.training) + len(found.test) == 60
    assert f"left out: {tmp_path / '0' / 'broken.png'}: Its data ends early or is damaged." in said[0]
    assert f"left out: {tmp_path / '1' / 'empty.jpg'}: It is empty." in said[1]
    for number in range(10):
        (tmp_path / "2" / f"text{number}.png").write_text("a text")
    with pytest.raises(
        TrainerError, match=r"12 of 72 pictures cannot be read, the first 5 of them: .*broken\.png: Its"
    ):
        pictures.read(tmp_path, said.append)


def test_remarks(small: Mnist, tmp_path: Path) -> None:
    """What imaging remarks on is counted, as labels of such pictures may be wrong."""
    write_pictures(tmp_path, small, 40)
    page = np.full((60, 120), 255, np.uint8)
    page[16:44, 20:48] = 255 - small.test_pictures[0]
    page[16:44, 70:98] = 255 - small.test_pictures[1]
    Image.fromarray(page).save(tmp_path / "7" / "two.png")
    said: list[str] = []
    pictures.read(tmp_path, said.append)
    assert any("1 of 41 pictures: several shapes" in line for line in said)


@pytest.mark.parametrize("name", ["10", "seven", "train/seven"])
def test_other_folders(small: Mnist, tmp_path: Path, name: str) -> None:
    """A folder that is no label is refused by its name, rather than passed over."""
    write_pictures(tmp_path, small, 10)
    (tmp_path / name).mkdir(parents=True)
    with pytest.raises(TrainerError, match=f"{name}: not a label; folders are named 0 to 9"):
        pictures.read(tmp_path, pytest.fail)


def test_none(tmp_path: Path) -> None:
    """A folder without pictures is bad input."""
    (tmp_path / "0").mkdir()
    with pytest.raises(TrainerError, match="holds no pictures in folders 0 to 9"):
        sources.load([f"pictures:{tmp_path}"])
    with pytest.raises(TrainerError, match="absent: no such folder"):
        sources.load([f"pictures:{tmp_path / 'absent'}"])
