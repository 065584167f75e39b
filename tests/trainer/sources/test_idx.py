"""IDX files: QMNIST's, EMNIST's and one's own."""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.trainer.sources.conftest import write_emnist, write_idx, write_qmnist
from trainer import sources
from trainer.errors import TrainerError
from trainer.mnist import Mnist
from trainer.sources import idx


@pytest.mark.parametrize("word", ["{}", "qmnist:{}"])
def test_qmnist(small: Mnist, tmp_path: Path, word: str) -> None:
    """QMNIST's files are found by their names, and of the eight numbers of a label the first is the class."""
    write_qmnist(tmp_path, small)
    (tmp_path / "xnist-images-idx3-ubyte.xz").write_bytes(b"all of NIST, MNIST's test digits too")
    found = sources.load([word.format(tmp_path)])
    assert np.array_equal(found.training_pictures, small.training_pictures)
    assert np.array_equal(found.training_labels, small.training_labels)
    assert np.array_equal(found.test_labels, small.test_labels)
    assert found.source == f"qmnist:{tmp_path.name}"
    assert set(found.sha256) == {
        "qmnist-train-images-idx3-ubyte", "qmnist-train-labels-idx2-int",
        "qmnist-test-images-idx3-ubyte", "qmnist-test-labels-idx2-int",
    }  # fmt: skip


@pytest.mark.parametrize("word", ["{}", "emnist:{}"])
def test_emnist(small: Mnist, tmp_path: Path, word: str) -> None:
    """EMNIST's digits are set upright, and its letters are passed over."""
    write_emnist(tmp_path, small)
    found = sources.load([word.format(tmp_path)])
    assert np.array_equal(found.training_pictures, small.training_pictures)
    assert np.array_equal(found.test_pictures, small.test_pictures)
    assert np.array_equal(found.test_labels, small.test_labels)


def test_own(small: Mnist, tmp_path: Path) -> None:
    """Pairs of any names and number are joined; those named as a test are the test part."""
    halves = {"monday": slice(0, 150), "tuesday-": slice(150, 400)}
    for name, part in halves.items():
        write_idx(tmp_path / f"{name}images.idx3", small.training_pictures[part])
        write_idx(tmp_path / f"{name}labels.idx1.gz", small.training_labels[part])
    write_idx(tmp_path / "our_test_images-idx3-ubyte", small.test_pictures)
    write_idx(tmp_path / "our_test_labels-idx1-ubyte", small.test_labels)
    found = sources.load([f"idx:{tmp_path}"])
    assert np.array_equal(found.training_pictures, small.training_pictures)
    assert np.array_equal(found.test_labels, small.test_labels)
    assert len(found.sha256) == 6


def test_without_test_files_a_share_is_held_back(small: Mnist, tmp_path: Path) -> None:
    """Where no file is named as a test, about a fifth of the pictures is, none of which is trained on."""
    write_idx(tmp_path / "images-idx3-ubyte", small.training_pictures)
    write_idx(tmp_path / "labels-idx1-ubyte", small.training_labels)
    found = sources.load([str(tmp_path)])
    assert len(found.training_labels) + len(found.test_labels) == 400
    assert 50 < len(found.test_labels) < 110
    assert set(found.test_labels) == set(range(10))


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("labels-idx1-ubyte", np.full(400, 10), r"labels-idx1-ubyte: a label is 10, labels are 0 to 9"),
        ("labels-idx1-ubyte", np.zeros(399), r"holds 400 pictures, labels-idx1-ubyte 399 labels"),
        ("images-idx3-ubyte", np.zeros((400, 20, 20)), r"400 by 20 by 20 values, not pictures of 28 by 28"),
    ],
)
def test_wrong(small: Mnist, tmp_path: Path, name: str, values: np.ndarray, message: str) -> None:
    """Labels beyond 9, fewer labels than pictures and pictures of another size are named by file."""
    write_idx(tmp_path / "images-idx3-ubyte", small.training_pictures)
    write_idx(tmp_path / "labels-idx1-ubyte", small.training_labels)
    write_idx(tmp_path / name, values)
    with pytest.raises(TrainerError, match=message):
        sources.load([str(tmp_path)])


def test_pictures_without_labels(small: Mnist, tmp_path: Path) -> None:
    """Pictures whose labels are absent are named, with what is looked for."""
    write_idx(tmp_path / "our-images-idx3-ubyte", small.training_pictures)
    with pytest.raises(TrainerError, match=r"our-images-idx3-ubyte: no file of labels, our-labels…"):
        sources.load([f"idx:{tmp_path}"])
    with pytest.raises(TrainerError, match=r"holds no qmnist-…images-idx3-ubyte and qmnist-…labels"):
        sources.load([f"qmnist:{tmp_path}"])
    with pytest.raises(TrainerError, match=r"absent: no such folder"):
        sources.load([f"emnist:{tmp_path / 'absent'}"])


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=40) | st.binary(max_size=20).map(lambda rest: b"\0\0\x08\x03" + rest))
def test_any_bytes(content: bytes) -> None:
    """Whatever a file holds, it is an array as its header says, or named as what is wrong with it."""
    try:
        found = idx.array(Path("file"), content)
    except TrainerError as error:
        told = str(error)
    else:
        told = ""
        assert len(content) == 4 + 4 * found.ndim + found.nbytes
    assert not told or re.match(r"file: (no IDX file|truncated|altered)", told)
