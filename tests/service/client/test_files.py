import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.client import files
from service.client.files import MOST, batches, find


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Pictures and other files, in two folders."""
    for name in ("b.png", "a.PNG", "c.txt", "below/d.jpeg", "below/e.tif", "below/.f"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    return tmp_path


def names(folder: Path, found: list[Path]) -> list[str]:
    return [str(path.relative_to(folder)) for path in found]


def test_a_folder_is_its_pictures_with_all_below(folder: Path) -> None:
    """Sorted, by suffix, a folder's own before those below it."""
    assert names(folder, find([str(folder)])) == ["a.PNG", "b.png", "below/d.jpeg", "below/e.tif"]


def test_of_a_folder_only_regular_files_are_taken(folder: Path) -> None:
    """A pipe, which may never end, is passed over whatever its name; one that is named itself stays."""
    os.mkfifo(folder / "x.png")
    assert names(folder, find([str(folder)])) == ["a.PNG", "b.png", "below/d.jpeg", "below/e.tif"]
    assert names(folder, find([f"{folder}/x.png"])) == ["x.png"]


def test_a_file_is_taken_as_it_is_named(folder: Path) -> None:
    """Whatever its suffix, in the order given, also if it does not exist."""
    assert names(folder, find([f"{folder}/c.txt", f"{folder}/b.png", f"{folder}/x.png"])) == ["c.txt", "b.png", "x.png"]


def test_a_pattern_is_what_it_matches(folder: Path) -> None:
    """Also in folders below; one that matches nothing stays, to be told as missing."""
    assert names(folder, find([f"{folder}/*.png"])) == ["b.png"]
    assert names(folder, find([f"{folder}/**/*.t*"])) == ["below/e.tif", "c.txt"]
    assert names(folder, find([f"{folder}/*.bmp"])) == ["*.bmp"]
    (folder / "[1].png").write_bytes(b"x")
    assert names(folder, find([f"{folder}/[1].png"])) == ["[1].png"]


@given(sizes=st.lists(st.integers(0, 12), max_size=40))
def test_batches_hold_every_file_once_and_are_bounded(sizes: list[int]) -> None:
    """In order; none of more than 256, nor of more bytes than it may have unless a file alone has them."""
    paths = [Path(f"{at}.{size}") for at, size in enumerate(sizes)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "MOST", 5)
        patch.setattr(files, "_BYTES", 10)
        patch.setattr(files, "_size", lambda path: int(path.suffix[1:]))
        made = list(batches(paths))
    assert [path for batch in made for path in batch] == paths
    for batch in made:
        assert len(batch) <= 5
        assert len(batch) == 1 or sum(int(path.suffix[1:]) for path in batch) <= 10


def test_256_go_together() -> None:
    """Small files, or such as do not exist, are sent by 256."""
    assert [len(batch) for batch in batches([Path("none")] * (2 * MOST + 1))] == [256, 256, 1]
