import os
import threading
import time

from benchmarks.load import Outcome
from benchmarks.threads import Taken, row, taken


def test_what_a_thread_takes_is_told_apart_from_the_first_one() -> None:
    """A thread that works adds to what the others took, as much as it says itself."""
    before = taken(os.getpid())[1]
    told = threading.Event()
    end = threading.Event()
    spent: list[float] = []

    def work() -> None:
        while time.thread_time() < 0.05:
            sum(range(1000))
        spent.append(time.thread_time())
        told.set()
        end.wait()

    thread = threading.Thread(target=work)
    thread.start()
    told.wait()
    after = taken(os.getpid())[1]
    end.set()
    thread.join()
    assert (after - before).ran >= 0.9 * spent[0]


def test_a_row_divides_by_the_answers() -> None:
    """Seconds become microseconds an answer, and shares of the round."""
    outcome = Outcome(seconds=2.0, right=1000, errors=0, p50=1.0, p99=2.0)
    assert row("others", 32, [outcome], [Taken(1.0, 0.5)]) == "| 32 | others | 1000 (1000 to 1000) | 50% | 25% |"
