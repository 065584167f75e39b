import numpy as np
import pytest

from registry.rules import RULES, Rule, combine, probabilities


def one_hot_ish(*labels: int, sure: float) -> list[list[float]]:
    rest = (1 - sure) / 9
    return [[sure if digit == label else rest for digit in range(10)] for label in labels]


def test_temperature_softens_and_keeps_the_label() -> None:
    """Dividing by a larger temperature lowers the confidence and not the label."""
    logits = np.asarray([[0.0, 2.0, 1.0]], dtype=np.float32)
    sharp, soft = probabilities(logits, 1.0), probabilities(logits, 4.0)
    np.testing.assert_allclose(sharp, [[0.09003, 0.66524, 0.24473]], atol=1e-5)
    assert soft.argmax() == sharp.argmax() == 1
    assert soft.max() < sharp.max()


def test_huge_logits_do_not_overflow() -> None:
    """The softmax of any finite logits is finite and sums to one."""
    found = probabilities(np.asarray([[1e30, -1e30, 0.0]], dtype=np.float32), 1.0)
    np.testing.assert_allclose(found, [[1, 0, 0]])


def test_each_rule_counts_as_it_says() -> None:
    """Two unsure votes outweigh a sure one by majority, not by the mean; weights decide in the weighted vote."""
    votes = np.asarray(
        [one_hot_ish(3, sure=0.95), one_hot_ish(5, sure=0.4), one_hot_ish(5, sure=0.4)], dtype=np.float32
    )
    even = np.ones(3, dtype=np.float32)
    assert combine(votes, even, "majority").argmax() == 5
    assert combine(votes, even, "mean").argmax() == 3
    assert combine(votes, np.asarray([0.1, 1, 1], dtype=np.float32), "weighted").argmax() == 5
    np.testing.assert_allclose(combine(votes, even, "weighted"), combine(votes, even, "mean"), rtol=1e-6)
    assert combine(votes, even, "majority")[0, 5] == pytest.approx(0.4)


def test_a_three_way_split_goes_to_the_highest_mean() -> None:
    """Where all differ, the majority rule falls back to the highest mean probability."""
    votes = np.asarray([one_hot_ish(1, sure=0.5), one_hot_ish(2, sure=0.9), one_hot_ish(3, sure=0.6)], dtype=np.float32)
    assert combine(votes, np.ones(3, dtype=np.float32), "majority").argmax() == 2


@pytest.mark.parametrize("rule", RULES)
def test_combined_probabilities_sum_to_one(rule: Rule) -> None:
    """Under every rule each row is a distribution, for any number of models."""
    random = np.random.default_rng(0)
    for models in (1, 2, 3, 4):
        votes = np.stack([probabilities(random.normal(0, 3, (50, 10)).astype(np.float32), 1.0) for _ in range(models)])
        combined = combine(votes, random.uniform(0.1, 5, models).astype(np.float32), rule)
        np.testing.assert_allclose(combined.sum(axis=-1), 1, rtol=1e-5)
        assert combined.dtype == np.float32
