"""Several --data become one dataset."""

import json
from pathlib import Path

import numpy as np
import pytest

from registry import store
from tests.trainer.conftest import DATA, OTHER, TINY, cli
from tests.trainer.sources.conftest import write_emnist, write_idx, write_pictures, write_qmnist
from trainer import mnist, reproduce, sources
from trainer.errors import TrainerError
from trainer.mnist import Mnist


def test_joined(small: Mnist, tmp_path: Path) -> None:
    """All training parts are trained on; the first one's test part is the test set, the others' stand beside it."""
    write_idx(tmp_path / "own" / "images-idx3-ubyte", 255 - small.training_pictures[:100])
    write_idx(tmp_path / "own" / "labels-idx1-ubyte", small.training_labels[:100])
    said: list[str] = []
    found = sources.load([str(DATA), f"idx:{tmp_path / 'own'}"], other=True, say=said.append)
    (further,) = found.further
    assert further.source == "idx:own"
    assert len(found.training_labels) + len(further.labels) == 500
    assert np.array_equal(found.test_pictures, small.test_pictures)
    assert list(found.sha256)[4:] == ["images-idx3-ubyte", "labels-idx1-ubyte"]
    assert said[-1] == f"test set, by which targets are held: {len(small.test_labels)} pictures of mnist:data"


def test_tested_is_not_trained_on(small: Mnist, tmp_path: Path) -> None:
    """A picture that is in any test part is left out of all training parts, and that is told."""
    write_idx(tmp_path / "leak-images-idx3-ubyte", small.test_pictures)
    write_idx(tmp_path / "leak-labels-idx1-ubyte", small.test_labels)
    write_idx(tmp_path / "test-images-idx3-ubyte", small.training_pictures[:50])
    write_idx(tmp_path / "test-labels-idx1-ubyte", small.training_labels[:50])
    said: list[str] = []
    found = sources.load([str(DATA), str(tmp_path)], other=True, say=said.append)
    tested = {picture.tobytes() for part in (found, *found.further) for picture in _tested(part)}
    assert not tested & {picture.tobytes() for picture in found.training_pictures}
    assert len(found.training_labels) == 350
    assert said[0] == "250 training pictures are in a test part too, and are left out of training"


def _tested(part: object) -> np.ndarray:
    return part.test_pictures if isinstance(part, Mnist) else part.pictures  # type: ignore[attr-defined]


def test_mnist_is_found_apart(small: Mnist, monkeypatch: pytest.MonkeyPatch) -> None:
    """`mnist` and no word at all are the MNIST that is fetched and cached."""
    monkeypatch.setattr(mnist, "SHA256", small.sha256)
    monkeypatch.setattr(mnist, "fetch", lambda _: mnist.read(DATA, other=True))
    for words in ([], ["mnist"], [f"mnist:{DATA}"], [str(DATA)]):
        found = sources.load(words, say=pytest.fail)
        assert found.source == "mnist"
        assert found.sha256 == small.sha256


def test_files_of_one_name(small: Mnist, tmp_path: Path) -> None:
    """Files that are named alike are told apart by their source's name."""
    for name in "ab":
        write_pictures(tmp_path / name / "own", small, 200)
        write_qmnist(tmp_path / name / "files", small)
    words = [str(tmp_path / name / place) for name in "ab" for place in ("own", "files")]
    names = list(sources.load(words, say=lambda _: None).sha256)
    assert len(names) == 10
    assert "qmnist:files/qmnist-train-images-idx3-ubyte" in names
    assert "pictures:own/pictures:own" in names


def test_unclear(small: Mnist, tmp_path: Path) -> None:
    """A folder that holds nothing known, or two kinds, and a kind that is none are bad input, with what to give."""
    with pytest.raises(TrainerError, match=r"holds neither MNIST's files .* nor folders 0 to 9 of pictures"):
        sources.load([str(tmp_path)])
    write_qmnist(tmp_path, small)
    write_emnist(tmp_path, small)
    with pytest.raises(TrainerError, match=rf"holds qmnist and emnist: say which, as in qmnist:{tmp_path}"):
        sources.load([str(tmp_path)])
    with pytest.raises(TrainerError, match=r"--data svhn:x: kinds are mnist, qmnist, emnist, idx, pictures"):
        sources.load(["svhn:x"])
    with pytest.raises(TrainerError, match=r"--data qmnist:: give a folder or file behind the colon"):
        sources.load(["qmnist:"])
    write_pictures(tmp_path / "few", small, 30)
    with pytest.raises(TrainerError, match=r"pictures:few: \d+ pictures to test on, fewer than 32: add pictures, or"):
        sources.load([str(tmp_path / "few")])


def test_train_and_reproduce(small: Mnist, tmp_path: Path) -> None:
    """A run on MNIST and one's own pictures publishes what it was trained on, and is reproduced from that again."""
    write_pictures(tmp_path / "own", small, 200)
    places = ("--artifacts", tmp_path / "artifacts", "--runs", tmp_path / "runs")
    own = ("--data", f"pictures:{tmp_path / 'own'}")
    done = cli("train", "--recipe", TINY, "--model", "mlp", *OTHER, *own, *places)
    assert done.returncode == 0, done.stderr
    assert "mlp    on the test part of pictures:own: " in done.stdout
    manifest = store.manifest(tmp_path / "artifacts", "mlp", 1)
    assert [file.name for file in manifest.data] == [*mnist.SHA256, "pictures:own"]
    folder = tmp_path / "artifacts" / "mlp" / "1"
    figures = json.loads((folder / "report" / "metrics.json").read_text())
    assert figures["data"]["test"] == {"mnist:data": len(small.test_labels)}
    assert figures["further"]["pictures:own"]["accuracy"] > 0.5

    done = cli("reproduce", folder, "--runs", tmp_path / "again", *OTHER, *own)
    assert done.returncode == 0, done.stderr
    assert "the figures agree: the same answers, bit for bit" in done.stdout

    first = reproduce.original(folder)
    wanted = (
        r"not what mlp 1 was trained on; give --data for each of: the folder of train-images-idx3-ubyte, .*pictures:own"
    )
    with pytest.raises(TrainerError, match=f"MNIST: {wanted}"):
        reproduce.check_given(first, [])
    for words, named in ([[str(DATA)], "pictures:own"], [[own[1], str(DATA)], "train-images-idx3-ubyte"]):
        with pytest.raises(TrainerError, match=f"{named}: {wanted}"):
            reproduce.same_data(first, sources.load(words, other=True))
    with pytest.raises(TrainerError, match="pictures:own/pictures:own: more than what mlp 1 was trained on"):
        reproduce.same_data(first, sources.load([str(DATA), own[1], own[1]], other=True))
