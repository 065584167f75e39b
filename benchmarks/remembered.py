"""What feedback costs the answers: the event loop's part, and all that a worker computes for it.

    python -m benchmarks.remembered

On a core of an AMD EPYC VM that other work shared (Python 3.11.7, SQLite 3.40.1, n = 20,000, the least of 5 rounds):
  2.4 us of the caller's thread, 22.6 us of CPU in all; 20,000 of 20,000 written
"""

import asyncio
import tempfile
import time
from pathlib import Path

import numpy as np

from registry.feedback import Store
from service.feedback import Feedback
from service.settings import Settings
from service.vote import Cast, Outcome

_ANSWERS, _ROUNDS, _AT_ONCE = 20_000, 5, 100


def measure(path: Path) -> tuple[float, float, int]:
    """Microseconds an answer on the caller's thread, those of CPU in all, and how many answers were written."""
    memory = Feedback(Settings(feedback_pending=_ANSWERS), path)
    memory.start()
    chances = [0.1] * 10
    cast = tuple(Cast(name, 1, 7, 0.9, chances) for name in ("mlp", "cnn", "lenet5"))
    outcome = Outcome(7, 0.9, 1.0, cast, ())
    pictures = np.random.default_rng(0).random((_AT_ONCE, 1, 28, 28), np.float32)
    called, started = 0.0, time.process_time()
    for number in range(_ANSWERS):
        before = time.thread_time()
        memory.remember(f"request-{number}", 0, pictures[number % _AT_ONCE], outcome)
        called += time.thread_time() - before
        if number % _AT_ONCE == 0:
            time.sleep(0.03)  # some 3,000 answers a second
    asyncio.run(memory.stop())
    spent = time.process_time() - started
    with Store(path, read_only=True) as store:
        return called / _ANSWERS * 1e6, spent / _ANSWERS * 1e6, store.counts()[1]


def main() -> None:
    """Measure, and print the least of all rounds."""
    with tempfile.TemporaryDirectory() as folder:
        rounds = [measure(Path(folder) / f"{number}.db") for number in range(_ROUNDS)]
    own, all_cpu = (min(each[place] for each in rounds) for place in (0, 1))
    written = min(each[2] for each in rounds)
    print(f"{own:.1f} us of the caller's thread, {all_cpu:.1f} us of CPU in all; {written:,} of {_ANSWERS:,} written")


if __name__ == "__main__":
    main()
