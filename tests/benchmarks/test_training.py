"""The benchmark of training, in a tiny form: what is counted, never how long it took."""

import importlib
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from benchmarks import clock, fast, stages, training
from benchmarks.training import Run
from tests.mnist import FOLDER
from tests.support import ROOT
from trainer import mnist

# In processes of its own: what torchvision imports tells of its leaks below pytest's last line.
REFERENCE = "benchmarks.reference"


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """What a process of the benchmark sets for itself does not outlive the test."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    torch.set_flush_denormal(False)


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tests' few hundred digits, unpacked, as the cache holds MNIST."""
    folder = tmp_path_factory.mktemp("mnist")
    mnist.save(mnist.read(FOLDER, other=True), folder)
    return folder


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny recipe with three epochs of each model."""
    path = tmp_path_factory.mktemp("recipe") / "short.toml"
    text = (FOLDER / "tiny.toml").read_text()
    path.write_text(text.replace("epochs = 12", "epochs = 3").replace("epochs = 8", "epochs = 3"))
    return path


def lines(module: str, *words: object) -> list[str]:
    """What a process of the benchmark prints, run in this one."""
    printed = io.StringIO()
    with redirect_stdout(printed):
        importlib.import_module(module).main(list(map(str, words)))
    return printed.getvalue().splitlines()


def contender(*accuracies: float, measuring: float = 0.0) -> Run:
    """A contender's process: one epoch of ten seconds for each accuracy, and so much measuring in each."""
    told = [{"accuracy": one, "measuring": measuring * epoch} for epoch, one in enumerate(accuracies, 1)]
    return Run([(10.0 * epoch, json.dumps(one)) for epoch, one in enumerate(told, 1)], 10.0 * len(told), 2**29)


def test_fast_tells_each_epoch(digits: Path, short: Path) -> None:
    """Our contender prints the test accuracy after each epoch of the recipe, and what measuring it took."""
    told = [json.loads(line) for line in lines(fast.__name__, digits, "--recipe", short)]
    assert len(told) == 3
    assert all(one["accuracy"] * 200 == pytest.approx(round(one["accuracy"] * 200)) for one in told)
    assert 0 < told[0]["measuring"] < told[1]["measuring"] < told[2]["measuring"]


def test_reference_stops_at_its_goal(digits: Path) -> None:
    """The other contender trains until a test accuracy is reached, else as many epochs as it is told."""
    once = training.run(REFERENCE, digits, "--epochs=2", "--until=0.1", threads=1).lines
    assert [set(json.loads(line)) for _, line in once] == [{"accuracy", "measuring"}]
    assert len(training.run(REFERENCE, digits, "--epochs=2", threads=1).lines) == 2


def test_reference_is_as_large_as_the_example() -> None:
    """The network written again has the example's 1,199,882 parameters."""
    count = f"import {REFERENCE} as it; print(sum(one.numel() for one in it.network().parameters()))"
    done = subprocess.run([sys.executable, "-c", count], cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(done.stdout) == 1_199_882


def test_stages_share_out_an_epoch(digits: Path, short: Path) -> None:
    """Every stage of a model with averaged weights has a share of the epoch, and all shares are the whole."""
    (line,) = lines(stages.__name__, digits, "--recipe", short)
    told = json.loads(line)
    assert list(told["shares"]) == [*stages.STAGES, stages.REST]
    assert all(share > 0 for share in told["shares"].values())
    assert sum(told["shares"].values()) == pytest.approx(1)


def test_clock_counts_the_outer_call_and_leaves_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    """A watched function within another is the other's time; after the block both are what they were."""
    ticks = iter(range(100))
    monkeypatch.setattr(clock, "now", lambda: float(next(ticks)))
    owner = SimpleNamespace(inner=lambda: None)
    owner.outer = lambda: owner.inner()
    before = dict(vars(owner))
    with clock.watching({"inner": [(owner, "inner")], "outer": [(owner, "outer")]}) as seconds:
        owner.outer()
        owner.inner()
        owner.inner()
    assert seconds == {"outer": 1, "inner": 2}
    assert vars(owner) == before


def test_time_to_an_accuracy_leaves_measuring_out() -> None:
    """A contender's time is that of the first epoch at the mark, less all measuring until then; their ratio follows."""
    ours = contender(0.98, 0.991, 0.993, measuring=1)
    theirs = contender(*[0.98] * 9, 0.993)
    _, first, second = training.times({"ours": [ours, ours], "theirs": [theirs, theirs]})
    assert first == ["99.0%", "18.0 (18.0 to 18.0)", "100.0 (100.0 to 100.0)", "5.6"]
    assert second == ["99.2%", "27.0 (27.0 to 27.0)", "100.0 (100.0 to 100.0)", "3.7"]


def test_an_accuracy_never_reached_is_a_lower_bound() -> None:
    """A round that never reached a mark counts with all its time, and is said; without ours there is no ratio."""
    some, never = contender(0.98, 0.992), contender(0.98, 0.98, 0.98)
    _, _, theirs = training.times({"ours": [some, some], "theirs": [some, never]})
    assert theirs[2:] == ["> 25.0 (20.0 to 30.0), 1 of 2 never", "> 1.2"]
    _, ours, _ = training.times({"ours": [never], "theirs": [some]})
    assert ours[1:] == ["> 30.0 (30.0 to 30.0), 1 of 1 never", "20.0 (20.0 to 20.0)", ""]


def test_a_process_is_run_to_a_good_end() -> None:
    """A process's lines come with their times and its memory; one that fails ends the benchmark."""
    done = training.run("platform", threads=1)
    ((seconds, line),) = done.lines
    assert line.strip()
    assert 0 < seconds <= done.seconds
    assert done.memory > 2**20
    with pytest.raises(SystemExit, match="ended with status 1"):
        training.run("no_such_module", threads=1)


def test_benchmark_prints_every_table(
    digits: Path, short: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A short run ends with the race, each contender's end, the whole command and each model's stages."""

    def run(module: str, *words: object, threads: int) -> Run:
        assert threads == 1
        printed = [] if module == "trainer" else lines(module, *words)
        return Run([(1.0 + second, line) for second, line in enumerate(printed)], 9.0, 2**29)

    monkeypatch.setattr(training, "run", run)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    options = ("--rounds=1", "--threads=1", "--epochs=2", f"--fast={short}", f"--recipe={short}", f"--data={digits}")
    training.main(options)
    printed = capsys.readouterr().out
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in printed.splitlines() if "|" in line]
    starts = [row[0] for row in rows if row[0] != "---"]
    assert starts == [
        "test accuracy", "99.0%", "99.2%",
        "", "digitvote", "pytorch/examples",
        "python -m trainer train", f"--recipe {short} --device cpu",
        "device", "cpu", "cpu", "cpu",
    ]  # fmt: skip
    assert [row[1] for row in rows if row[0] == "cpu"] == ["lenet5", "mlp", "cnn"]
    assert "torchvision" in printed
