"""What a service's users fed back: the 28x28 pictures in its store, each with the label that somebody said is right."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from registry.feedback import SIDE, FeedbackError, Store
from trainer.errors import TrainerError
from trainer.mnist import Say
from trainer.sources.source import Labelled, Source, name_of

_HELD = 0.3  # where no recipe says another share


@dataclass(frozen=True)
class Cleaned:
    """What can be learnt from a store, in an order that its bytes decide, and why there are fewer than answers."""

    digits: Labelled
    answers: int
    repeated: int  # the same picture again
    disputed: int  # pictures with different labels

    @property
    def sha256(self) -> str:
        """Of the digits, whatever the order in which they were fed back."""
        return hashlib.sha256(self.digits.pictures.tobytes() + self.digits.labels.tobytes()).hexdigest()

    def __str__(self) -> str:
        left = [
            *([f"{self.repeated} of a picture that is there already"] if self.repeated else []),
            *([f"{self.disputed} pictures with different labels"] if self.disputed else []),
        ]
        told = f"; left out: {', '.join(left)}" if left else ""
        return f"feedback: {len(self.digits)} digits in {self.answers} answers{told}"


def read(path: Path, say: Say) -> Source:
    """A store's digits, of which the test part is held out as `split` does.

    Raises:
        TrainerError: as `clean` does.
    """
    cleaned = clean(path)
    say(str(cleaned))
    training, test = split(cleaned.digits, _HELD)
    return Source(name_of("feedback", path), training, test, {path.name: cleaned.sha256})


def clean(path: Path) -> Cleaned:
    """A store's digits; a picture that is there several times counts once, and not at all if its labels differ.

    Raises:
        TrainerError: if the file is no store of feedback, or holds what is no digit.
    """
    if path.is_dir():
        raise TrainerError(f"{path}: is a folder; give the file that DIGITVOTE_FEEDBACK names, as feedback:FILE")
    if not path.is_file():
        raise TrainerError(f"{path}: no such file; a service with DIGITVOTE_FEEDBACK={path} writes it")
    labels: dict[bytes, set[int]] = {}
    answers = 0
    try:
        with Store(path, read_only=True) as store:
            for told in store.told():
                picture, truth = told.answer.picture, told.truth
                if len(picture) != SIDE * SIDE or truth not in range(10):
                    raise TrainerError(
                        f"{path}: {told.answer.request_id}: {len(picture)} bytes labelled {truth!r}, not {SIDE * SIDE} "
                        "labelled 0 to 9"
                    )
                labels.setdefault(picture, set()).add(truth)
                answers += 1
    except FeedbackError as error:
        raise TrainerError(str(error)) from error
    agreed = sorted((picture, found.pop()) for picture, found in labels.items() if len(found) == 1)
    pixels = np.frombuffer(b"".join(picture for picture, _ in agreed), np.uint8).reshape(-1, SIDE, SIDE)
    digits = Labelled(pixels.copy(), np.array([label for _, label in agreed], np.uint8))
    return Cleaned(digits, answers, answers - len(labels), len(labels) - len(agreed))


def split(digits: Labelled, held: float) -> tuple[Labelled, Labelled]:
    """A training part and one that is held out, about that share.

    A picture's own pixels decide by their hash, so it is on the same side in every run, whatever else is fed back.
    """
    out = digits.digests < np.uint64(held * 2**64)
    return digits.take(~out), digits.take(out)
