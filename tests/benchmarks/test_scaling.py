from collections import Counter

from benchmarks.load import Outcome
from benchmarks.scaling import Cell, rows
from tests.support import cells


def test_the_ratio_is_to_one_process_of_the_same_round() -> None:
    """Each round's rate is held against that of one process, and the median is told with its range."""
    alone = [Outcome(1, right, 0, 1, 2, Counter({4: 2})) for right in (100, 200)]
    cluster = [Outcome(1, right, 1, 3, 4) for right in (10, 40)]
    table = cells("\n".join(rows({Cell("one process", 8): alone, Cell("cluster", 8): cluster})))
    assert table[2] == ["one process", "8", "150 (100 to 200)", "1.00", "2.00", "1.00 (1.00 to 1.00)", "4", "0"]
    assert table[3] == ["cluster", "8", "25 (10 to 40)", "3.00", "4.00", "0.15 (0.10 to 0.20)", "", "2"]
    assert {len(row) for row in table} == {8}
