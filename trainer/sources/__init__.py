"""What --data names becomes one dataset: MNIST, QMNIST, EMNIST's digits, IDX files, folders of pictures, feedback.

Each word gives a training and a test part. Training parts are joined; the test set is that of the first word, and those
of the others are measured beside it. What is in a test part is trained on by none.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from trainer import mnist
from trainer.errors import TrainerError
from trainer.mnist import Further, Mnist, Say
from trainer.sources import emnist, feedback, idx, pictures, qmnist
from trainer.sources.source import Labelled, Source, joined, name_of

# How `KIND:PLACE` is read. Beside them there is `mnist`, which is fetched where no folder is given.
KINDS: dict[str, Callable[[Path, Say], Source]] = {
    "qmnist": qmnist.read,
    "emnist": emnist.read,
    "idx": idx.read,
    "pictures": pictures.read,
    "feedback": feedback.read,
}
MNIST = "mnist"
_LEAST_TEST = 32  # pictures: golden digits and the report are chosen from them


def load(words: Sequence[str] = (), *, other: bool = False, say: Say = mnist.to_stderr) -> Mnist:
    """The dataset that words name, each a folder, `KIND:PLACE`, or `mnist`; MNIST without any.

    Args:
        words: as given with --data, in their order.
        other: take files named as MNIST's that are not MNIST's.
        say: told what is being fetched, left out, or found twice.

    Raises:
        TrainerError: naming the word or file that is wrong, and what to do.
    """
    sources = [_source(word, other=other, say=say) for word in words or [MNIST]]
    test = sources[0].test
    if len(test) < _LEAST_TEST:
        raise TrainerError(
            f"{sources[0].name}: {len(test)} pictures to test on, fewer than {_LEAST_TEST}: add pictures, or give "
            "another --data first, as in --data mnist"
        )
    training = _without_test(sources, say)
    if len(sources) > 1 or not sources[0].name.startswith(MNIST):
        say(f"training: {len(training):,} pictures of {', '.join(one.name for one in sources)}")
        say(f"test set, by which targets are held: {len(test):,} pictures of {sources[0].name}")
    return Mnist(
        training.pictures, training.labels, test.pictures, test.labels, _digests(sources), sources[0].name,
        tuple(Further(one.name, one.test.pictures, one.test.labels) for one in sources[1:] if len(one.test)),
    )  # fmt: skip


def _source(word: str, *, other: bool, say: Say) -> Source:
    kind, colon, place = word.partition(":")
    if word == MNIST:
        return _mnist(None, other=False, say=say)
    if colon and not place:
        raise TrainerError(f"--data {word}: give a folder or file behind the colon")
    if colon and kind == MNIST:
        return _mnist(Path(place), other=other, say=say)
    if colon and kind in KINDS:
        return KINDS[kind](Path(place), say)
    folder = Path(word)
    if colon and not folder.exists():
        raise TrainerError(f"--data {word}: kinds are {', '.join([MNIST, *KINDS])}")
    if not folder.is_dir() or any(_holds(folder, name) for name in mnist.SHA256):
        return _mnist(folder, other=other, say=say)
    found = _look(folder)
    if len(found) != 1:
        told = f"holds {' and '.join(found)}: say which, as in {found[0]}:{word}" if found else _UNKNOWN
        raise TrainerError(f"{folder}: {told}")
    return KINDS[found[0]](folder, say)


_UNKNOWN = (
    f"holds neither MNIST's files ({', '.join(mnist.SHA256)}), nor other IDX files (…images-idx3-ubyte beside "
    "…labels-idx1-ubyte), nor folders 0 to 9 of pictures"
)


def _look(folder: Path) -> list[str]:
    """The kinds of data that a folder holds, but MNIST's."""
    names = idx.images(folder)
    known = {"qmnist": qmnist.PREFIX, "emnist": emnist.PREFIX}
    found = [kind for kind, prefix in known.items() if any(name.startswith(prefix) for name in names)]
    if names and not found:
        found = ["idx"]
    return [*found, "pictures"] if pictures.is_one(folder) else found


def wanted(files: Mapping[str, str]) -> str:
    """The words that give --data of these names and sha256, as far as they tell, in words."""
    words: list[str] = []
    for name, digest in files.items():
        own = name.rpartition("/")[2]
        if mnist.SHA256.get(own) == digest:
            word = MNIST
        elif ":" in name:
            word = name.partition("/")[0]
        else:
            prefixes = {qmnist.PREFIX: "qmnist:DIR", emnist.PREFIX: "emnist:DIR"}
            word = next((told for prefix, told in prefixes.items() if own.startswith(prefix)), f"the folder of {own}")
        words.append(word)
    return ", ".join(dict.fromkeys(words))


def _holds(folder: Path, name: str) -> bool:
    return (folder / name).exists() or (folder / f"{name}.gz").exists()


def _mnist(folder: Path | None, *, other: bool, say: Say) -> Source:
    read = mnist.load(folder, other=other, say=say)
    training = Labelled(read.training_pictures, read.training_labels)
    name = name_of(MNIST, folder) if folder and read.sha256 != mnist.SHA256 else MNIST
    return Source(name, training, Labelled(read.test_pictures, read.test_labels), read.sha256)


def _without_test(sources: Sequence[Source], say: Say) -> Labelled:
    """All training parts, less what is in a test part too, which is told."""
    training = joined([one.training for one in sources])
    if len(sources) == 1 and sources[0].sha256 == mnist.SHA256:
        return training  # whose parts have no picture in common
    tested = np.isin(training.digests, np.concatenate([one.test.digests for one in sources]))
    if tested.any():
        say(f"{tested.sum():,} training pictures are in a test part too, and are left out of training")
    return training.take(~tested)


def _digests(sources: Sequence[Source]) -> dict[str, str]:
    """The sha256 of all files by their names, which a source's own goes before where two are alike."""
    found: dict[str, str] = {}
    for number, one in enumerate(sources, 1):
        for name, digest in one.sha256.items():
            told = next(n for n in (name, f"{one.name}/{name}", f"{one.name}/{name}#{number}") if n not in found)
            found[told] = digest
    return found
