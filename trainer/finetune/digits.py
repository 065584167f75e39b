"""The digits of a store of feedback: cleaned, and split so that no picture ever changes sides."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from registry.feedback import SIDE, FeedbackError, Store
from trainer.errors import TrainerError
from trainer.mnist import Mnist

Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Digits:
    """Pictures [N, 28, 28] and labels [N], uint8, in an order that their bytes decide."""

    pictures: Bytes
    labels: Bytes

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def digest(self) -> str:
        """The sha256 of them all."""
        return hashlib.sha256(self.pictures.tobytes() + self.labels.tobytes()).hexdigest()


@dataclass(frozen=True)
class Cleaned:
    """What can be learnt from feedback, and how many answers there were and were left out, by reason."""

    digits: Digits
    answers: int
    repeated: int  # the same picture again
    disputed: int  # the same picture with different labels
    known: int  # pictures of MNIST

    def __str__(self) -> str:
        left = {
            "the same picture again": self.repeated,
            "of pictures with different labels": self.disputed,
            "MNIST's own": self.known,
        }
        told = ", ".join(f"{count} {reason}" for reason, count in left.items() if count)
        return f"feedback: {len(self.digits)} digits of {self.answers} answers" + (f" ({told})" if told else "")


def read(path: Path, mnist: Mnist) -> Cleaned:
    """The digits of a store. Each picture counts once, those with different labels and those of MNIST not at all.

    A picture of MNIST's test set must not be learnt, and one of its training set is there already.

    Raises:
        TrainerError: if the file is no store of feedback, or holds what is no digit.
    """
    if not path.is_file():
        raise TrainerError(f"{path}: no such file; a service with DIGITVOTE_FEEDBACK={path} writes it")
    labels: dict[bytes, set[int]] = {}
    answers = 0
    try:
        with Store(path, read_only=True) as store:
            for told in store.told():
                if len(told.answer.picture) != SIDE * SIDE or not 0 <= told.truth <= 9:
                    raise TrainerError(
                        f"{path}: {told.answer.request_id}: {len(told.answer.picture)} bytes labelled {told.truth!r}, "
                        "not 784 labelled 0 to 9"
                    )
                labels.setdefault(told.answer.picture, set()).add(told.truth)
                answers += 1
    except FeedbackError as error:
        raise TrainerError(str(error)) from error
    counts = {picture: len(found) for picture, found in labels.items()}
    agreed = {picture: next(iter(found)) for picture, found in labels.items() if len(found) == 1}
    known = {row.tobytes() for row in (*mnist.test_pictures, *mnist.training_pictures)} & set(agreed)
    taken = sorted((picture, label) for picture, label in agreed.items() if picture not in known)
    pixels = np.frombuffer(b"".join(picture for picture, _ in taken), np.uint8).reshape(-1, SIDE, SIDE)
    digits = Digits(pixels.copy(), np.array([label for _, label in taken], np.uint8))
    return Cleaned(
        digits,
        answers,
        repeated=answers - len(labels),
        disputed=sum(count > 1 for count in counts.values()),
        known=len(known),
    )


def split(digits: Digits, held: float) -> tuple[Digits, Digits]:
    """A training part and one that is held out, about that share.

    The bytes of a picture decide by their hash, so it is on the same side in every run, whatever else is fed back.
    """
    out = np.array([_place(picture) < held for picture in digits.pictures], bool)
    return _take(digits, ~out), _take(digits, out)


def _place(picture: Bytes) -> float:
    """A number in 0..1 that a picture always has."""
    return int.from_bytes(hashlib.sha256(picture.tobytes()).digest()[:8]) / 2**64


def _take(digits: Digits, chosen: NDArray[np.bool_]) -> Digits:
    return Digits(digits.pictures[chosen], digits.labels[chosen])
