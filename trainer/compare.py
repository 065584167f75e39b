"""Two published versions side by side on the test set: figures, McNemar's test, and the digits on which they differ."""

import math
from dataclasses import dataclass

import numpy as np

from trainer import canvas
from trainer.evaluate import Labels
from trainer.mnist import Mnist
from trainer.published import Answers

_SHOWN = 40


@dataclass(frozen=True)
class Comparison:
    """On how many test pictures which of two versions was right, and how likely such a difference is by chance."""

    both_right: int
    only_first: int
    only_second: int
    both_wrong: int
    different_errors: int  # of those that both read wrong, how many they read as different digits
    p: float


def compare(first: Answers, second: Answers, truth: Labels) -> Comparison:
    """Compare the answers of two versions to pictures with labels [N], picture by picture."""
    one, other = first.chances.argmax(1), second.chances.argmax(1)
    only_first = int(((one == truth) & (other != truth)).sum())
    only_second = int(((one != truth) & (other == truth)).sum())
    wrong = (one != truth) & (other != truth)
    return Comparison(
        both_right=int(((one == truth) & (other == truth)).sum()),
        only_first=only_first,
        only_second=only_second,
        both_wrong=int(wrong.sum()),
        different_errors=int((wrong & (one != other)).sum()),
        p=mcnemar(only_first, only_second),
    )


def mcnemar(only_first: int, only_second: int) -> float:
    """The two-sided exact p of McNemar's test: were both equally good, how often would they differ at least so much.

    Pictures on which both are right, or both wrong, say nothing. Of the others each is a fair coin under the null
    hypothesis. Source: McNemar 1947, with the exact binomial instead of its chi-squared.
    """
    tossed = only_first + only_second
    tail = sum(math.comb(tossed, heads) for heads in range(min(only_first, only_second) + 1))
    return float(min(1.0, 2 * tail / 2**tossed))


def differences(first: Answers, second: Answers, mnist: Mnist) -> bytes:
    """The digits that two versions read differently, as a PNG: those only the first reads right come first."""
    truth = mnist.test_labels
    one, other = first.chances.argmax(1), second.chances.argmax(1)
    differ = np.flatnonzero(one != other)
    group = np.where(one[differ] == truth[differ], 0, np.where(other[differ] == truth[differ], 1, 2))
    # Of more than fit, the surest: each version's own confidence in what it says.
    sure = first.chances[differ].max(1) + second.chances[differ].max(1)
    most = np.sort(np.argsort(-sure, kind="stable")[:_SHOWN])
    shown = differ[most][np.argsort(group[most], kind="stable")]
    count = f"{len(shown)} of {len(differ)}" if len(differ) > len(shown) else f"all {len(differ)}"
    return canvas.grid(
        f"{count} test digits read differently (true:  by {first.name} / by {second.name})",
        [(mnist.test_pictures[index], f"{truth[index]}:  {one[index]} / {other[index]}") for index in shown],
    )
