import math
import os

import pytest

from benchmarks.memory import growth, holding, pss
from tests.support import RELEASE


def test_growth_is_the_slope_of_the_settled_curve() -> None:
    """A flat curve grows by nothing, whatever its first fifth does; a slope is told by the million."""
    flat = [(count * 1000, 100.0 if count < 2 else 300.0) for count in range(10)]
    assert growth(flat) == pytest.approx(0)
    assert growth([(count * 1000, count * 0.5) for count in range(10)]) == pytest.approx(500)
    assert math.isnan(growth([(1000, 300.0)]))


def test_a_process_that_holds_the_models_is_measured() -> None:
    """It loads all three, and takes more than nothing and less than all."""
    with holding(RELEASE) as (seconds, process):
        assert seconds > 0
        assert process != os.getpid()
        assert 50 < pss(process) < 2000
