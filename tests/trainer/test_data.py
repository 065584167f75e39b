"""Splitting and batching."""

import numpy as np
import pytest
import torch

from trainer import data
from trainer.errors import TrainerError

LABELS = np.repeat(np.arange(10, dtype=np.uint8), np.arange(50, 150, 10))


def test_split() -> None:
    """The two parts share nothing, leave nothing out, and each label has its share in both."""
    training, validation = data.split(LABELS, 100, seed=1)
    assert len(validation) == 100
    assert sorted(torch.cat([training, validation]).tolist()) == list(range(len(LABELS)))
    share = np.bincount(LABELS[validation.numpy()], minlength=10) / np.bincount(LABELS)
    assert np.abs(share - 100 / len(LABELS)).max() < 0.02


def test_split_by_seed() -> None:
    """The seed decides the split."""
    first, again, other = (data.split(LABELS, 100, seed)[1].tolist() for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_split_leaves_some() -> None:
    """A validation part as large as the data is an error that says so."""
    with pytest.raises(TrainerError, match=f"validation: {len(LABELS)} of {len(LABELS)}"):
        data.split(LABELS, len(LABELS), 1)


def test_batches() -> None:
    """Pictures become float32 in 0..1 with a channel, labels int64; an epoch takes each example at most once."""
    pictures = np.full((5, 28, 28), 255, np.uint8)
    some = data.examples(pictures, np.arange(5, dtype=np.uint8), torch.device("cpu"))
    batches = list(data.epoch(len(some), 2, torch.Generator().manual_seed(1)))
    assert len(batches) == data.steps(5, 2) == 2
    assert len(set(torch.cat(batches).tolist())) == 4
    batch, labels = some.batch(batches[0])
    assert batch.shape == (2, 1, 28, 28)
    assert batch.dtype == torch.float32
    assert batch.max() == 1
    assert labels.dtype == torch.int64


def test_batch_larger_than_data() -> None:
    """A batch larger than the data is all of it."""
    (only,) = data.epoch(5, 64, torch.Generator().manual_seed(1))
    assert len(only) == 5
    assert data.steps(5, 64) == 1
