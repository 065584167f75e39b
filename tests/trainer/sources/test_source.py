"""What is held back of a source without a test part."""

import numpy as np
import pytest

from trainer.mnist import Mnist
from trainer.sources.source import Labelled, held_back


def test_held_back_stays_so(small: Mnist) -> None:
    """Pictures that are held back are held back too once there are more, whatever their order."""
    # Of the fours one alone has so low a digest: a tenth is held back instead, and which may change.
    chosen = small.training_labels != 4
    whole = Labelled(small.training_pictures, small.training_labels).take(chosen)
    few = whole.take(np.arange(360) % 4 > 0)
    order = np.random.default_rng(0).permutation(360)
    more = Labelled(whole.pictures[order], whole.labels[order])
    before, after = set(held_back(few)[1].digests.tolist()), set(held_back(more)[1].digests.tolist())
    assert before <= after
    assert not after & set(held_back(more)[0].digests.tolist())


def test_twice_lies_on_one_side(small: Mnist) -> None:
    """A picture that is there twice is not trained on where it is tested on."""
    pictures, labels = small.training_pictures[:100], small.training_labels[:100]
    training, test = held_back(Labelled(np.concatenate([pictures, pictures]), np.concatenate([labels, labels])))
    assert len(training) + len(test) == 200
    assert not set(training.digests.tolist()) & set(test.digests.tolist())


@pytest.mark.parametrize("count", [2, 3, 5])
def test_few_of_a_label(small: Mnist, count: int) -> None:
    """Of a label with two pictures or more one at least is on each side."""
    counts = np.bincount(held_back(Labelled(small.training_pictures, small.training_labels))[1].labels)
    assert counts.min() >= 4  # a tenth of forty
    for label in range(10):
        mine = np.flatnonzero(small.training_labels == label)[:count]
        training, test = held_back(Labelled(small.training_pictures[mine], small.training_labels[mine]))
        assert len(training)
        assert len(test)
