"""python -m benchmarks.training [--rounds N] [--threads N] [--recipe NAME|FILE]     (also: make bench-training)

Seconds from the start of a process, MNIST in the cache, to the first epoch's end at which 99.0 and 99.2 % of the test
set are read right: LeNet-5 by the recipe `fast`, and the MNIST example of pytorch/examples as `benchmarks.reference`
writes it. Each is a process of its own; rounds are interleaved, each of another seed; measuring is left out of both
times. Then the whole command, where an epoch's time goes for each model of a recipe, and each process's peak memory.

Two cores of an idle AMD EPYC VM, two threads, torch 2.15.0, n = 1: 17.1 s to 99.0 % and to 99.2 %, beside 306 s and
more than 1,136 s.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch

from benchmarks.machine import hardware, versions
from trainer import mnist
from trainer import recipe as recipes

ROOT = Path(__file__).parent.parent
MARKS = (0.99, 0.992)
OURS, THEIRS = "digitvote", "pytorch/examples"
_MIB = 2**20


@dataclass(frozen=True)
class Run:
    """What a process printed, line by line with the seconds since its start, how long it took and its peak memory."""

    lines: list[tuple[float, str]]
    seconds: float
    memory: int


@dataclass(frozen=True)
class Epoch:
    """A contender's test accuracy at an epoch's end, and the seconds until then without measuring."""

    accuracy: float
    seconds: float


@dataclass(frozen=True)
class Reached:
    """Seconds to a test accuracy, a round each; those of a round that never got there are all that it took."""

    seconds: list[float]
    missed: int

    @property
    def median(self) -> float:
        """Of the rounds."""
        return statistics.median(self.seconds)

    def __str__(self) -> str:
        missed = f", {self.missed} of {len(self.seconds)} never" if self.missed else ""
        return f"{'> ' * bool(self.missed)}{spread(self.seconds)}{missed}"


def run(*command: object, threads: int) -> Run:
    """Run `python -m` something to its end, which must be a good one."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    words = [sys.executable, "-m", *map(str, command)]
    print("...", *words[1:], file=sys.stderr)
    started = time.monotonic()
    with subprocess.Popen(words, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [(time.monotonic() - started, line) for line in process.stdout]
        # Not wait(): this also tells the memory. Linux counts it from this process's own, smaller, peak up.
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(words[1:])} ended with status {process.returncode}")
    return Run(lines, time.monotonic() - started, usage.ru_maxrss * 1024)


def epochs(contender: Run) -> list[Epoch]:
    """What a contender printed of its epochs."""
    told = [(seconds, json.loads(line)) for seconds, line in contender.lines]
    return [Epoch(one["accuracy"], seconds - one["measuring"]) for seconds, one in told]


def reached(runs: Sequence[Run], mark: float) -> Reached:
    """When runs first stood at a test accuracy, or above."""
    times = [[one.seconds for one in epochs(contender) if one.accuracy >= mark] for contender in runs]
    return Reached(
        [found[0] if found else epochs(contender)[-1].seconds for found, contender in zip(times, runs, strict=True)],
        sum(not found for found in times),
    )


def spread(values: Sequence[float], digits: int = 1) -> str:
    """The median, and between which two all lie."""
    low, median, high = (f"{one:.{digits}f}" for one in (min(values), statistics.median(values), max(values)))
    return f"{median} ({low} to {high})"


def times(runs: dict[str, list[Run]]) -> list[list[str]]:
    """Rows: how long each contender took to each mark, and the ratio."""
    rows = [["test accuracy", *(f"{name}, s (min to max)" for name in runs), "times as fast"]]
    for mark in MARKS:
        ours, theirs = (reached(some, mark) for some in runs.values())
        ratio = "" if ours.missed else f"{'> ' * bool(theirs.missed)}{theirs.median / ours.median:.1f}"
        rows.append([f"{mark:.1%}", str(ours), str(theirs), ratio])
    return rows


def ends(runs: dict[str, list[Run]]) -> list[list[str]]:
    """Rows: how far each contender went, by its last epoch."""
    rows = [["", "epochs", "s an epoch", "test accuracy at the end, %", "peak memory, MiB"]]
    for name, some in runs.items():
        told = [epochs(one) for one in some]
        counts = sorted(map(len, told))
        # All but the first, in which the process starts.
        lengths = [last.seconds - before.seconds for one in told for before, last in pairwise(one)]
        memory = max(one.memory for one in some) / _MIB
        rows.append(
            [
                name,
                spread(counts, 0),
                spread(lengths),
                spread([100 * one[-1].accuracy for one in told], 2),
                f"{memory:,.0f}",
            ]
        )
    return rows


def commands(runs: Mapping[tuple[str, str], Run]) -> list[list[str]]:
    """Rows: what the trainer's own command took, by recipe and device."""
    rows = [["python -m trainer train", "s", "peak memory, MiB"]]
    for (recipe, device), one in runs.items():
        rows.append([f"--recipe {recipe} --device {device}", f"{one.seconds:.1f}", f"{one.memory / _MIB:,.0f}"])
    return rows


def stages(runs: Mapping[tuple[str, str], Run]) -> list[list[str]]:
    """Rows: where an epoch's time went, by device and model."""
    told = {place: json.loads(one.lines[-1][1]) for place, one in runs.items()}
    names = list(next(iter(told.values()))["shares"])
    rows = [["device", "model", "s", *names, "peak memory, MiB", "of the GPU, MiB"]]
    for (device, model), one in told.items():
        shares = [f"{one['shares'][name]:.1%}" for name in names]
        memory = f"{runs[device, model].memory / _MIB:,.0f}"
        rows.append([device, model, f"{one['seconds']:.1f}", *shares, memory, f"{one['device_memory'] / _MIB:,.0f}"])
    return rows


def show(rows: Sequence[Sequence[str]]) -> None:
    """Print rows, the first of them headings, as a table of Markdown."""
    heading, *others = rows
    for row in (heading, ["---"] * len(heading), *others):
        print("|", " | ".join(row), "|")
    print()


def arguments(words: Sequence[str] | None) -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser("python -m benchmarks.training", description="Measure training.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of each process")
    parser.add_argument("--fast", default="fast", metavar="NAME|FILE", help="recipe whose LeNet-5 is timed")
    parser.add_argument("--recipe", default="quick", metavar="NAME|FILE", help="recipe whose epochs are split")
    parser.add_argument("--epochs", type=int, default=14, help="of pytorch/examples, at most")
    parser.add_argument("--data", type=Path, metavar="DIR", help="MNIST's four files, unpacked; the cache without it")
    return parser.parse_args(words)


def race(told: argparse.Namespace) -> dict[str, list[Run]]:
    """All rounds of both contenders, interleaved, so that what else the machine does meets both alike."""
    runs: dict[str, list[Run]] = {OURS: [], THEIRS: []}
    goal = ("--until", MARKS[-1], "--epochs", told.epochs)
    for seed in range(1, told.rounds + 1):
        again = (told.data, "--seed", seed)
        runs[OURS].append(run("benchmarks.fast", *again, "--recipe", told.fast, threads=told.threads))
        runs[THEIRS].append(run("benchmarks.reference", *again, *goal, threads=told.threads))
    return runs


def whole(told: argparse.Namespace, recipe: str, device: str) -> Run:
    """The trainer's own command, from its start to the published versions."""
    with tempfile.TemporaryDirectory() as folder:
        places = ("--artifacts", f"{folder}/artifacts", "--runs", f"{folder}/runs")
        source = ("--data", told.data, "--allow-other-data")
        words = ("train", "--recipe", recipe, "--device", device)
        return run("trainer", *words, *source, *places, threads=told.threads)


def epoch(told: argparse.Namespace, model: str, device: str) -> Run:
    """One epoch of a model of the recipe, with its stages."""
    words = (told.data, "--recipe", told.recipe, "--model", model, "--device", device)
    return run("benchmarks.stages", *words, threads=told.threads)


def main(words: Sequence[str] | None = None) -> None:
    """Measure and print."""
    told, load = arguments(words), os.getloadavg()[0]
    if told.data is None:
        mnist.fetch()  # what is timed finds it in the cache
        told.data = mnist.cache()
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else ""
    raced = race(told)
    trained = {(told.fast, "cpu"): whole(told, told.fast, "cpu")}
    if gpu:
        trained[told.recipe, "cuda"] = whole(told, told.recipe, "cuda")
    models: list[str] = list(recipes.read(told.recipe).models)
    split = {(device, one): epoch(told, one, device) for device in ("cpu", *["cuda"] * bool(gpu)) for one in models}
    for rows in (times(raced), ends(raced), commands(trained), stages(split)):
        show(rows)
    print(f"{told.rounds} rounds, {told.threads} threads; {hardware()}{gpu and f', {gpu}'};")
    print(f"{versions('torch', 'torchvision')}; load average before: {load:.1f}")


if __name__ == "__main__":
    main()
