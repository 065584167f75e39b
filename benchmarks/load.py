"""Load on a running server, from a process of its own: by wrk, or by `benchmarks.client` where there is no wrk."""

import json
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.client import Answer
from benchmarks.uploads import Upload

ROOT = Path(__file__).parent.parent
NO_WRK = "wrk is not installed (Debian: apt-get install wrk): benchmarks.client drives, and takes more of the machine"


@dataclass(frozen=True)
class Target:
    """Where to post what, and the text that each answer must hold."""

    port: int
    path: str
    upload: Upload
    expected: str


@dataclass(frozen=True)
class Outcome:
    """What a closed loop saw: latencies in ms, and how often each batch size stood in a receipt."""

    seconds: float
    right: int
    errors: int
    p50: float
    p99: float
    batches: Counter[int] = field(default_factory=Counter)

    @property
    def rate(self) -> float:
        """Right answers a second."""
        return self.right / self.seconds


Drive = Callable[[Target, int, int], Outcome]  # a target, clients and seconds


def driver(name: str) -> Drive:
    """What drives: `wrk`, the `client` of this package, or `auto`, which is wrk where it is installed."""
    if name == "client" or (name == "auto" and not shutil.which("wrk")):
        return by_client
    return by_wrk


def by_wrk(target: Target, clients: int, seconds: int) -> Outcome:
    """A closed loop of wrk with one thread."""
    with tempfile.NamedTemporaryFile() as body:
        body.write(target.upload.body)
        body.flush()
        command = ["wrk", "--threads=1", f"--connections={clients}", f"--duration={seconds}s", "--timeout=10s"]
        command += ["--script=benchmarks/post.lua", f"http://127.0.0.1:{target.port}{target.path}"]
        command += ["--", body.name, target.upload.content_type, target.expected]
        try:
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            raise SystemExit(NO_WRK.partition(":")[0] + ": apt-get install wrk on Debian, or --driver client") from None
    if done.returncode:
        raise SystemExit(f"wrk ended with status {done.returncode}: {done.stdout}{done.stderr}")
    return read_wrk(done.stdout)


def read_wrk(printed: str) -> Outcome:
    """The last line that `post.lua` prints."""
    told = json.loads(printed.splitlines()[-1])
    told["batches"] = Counter({int(size): count for size, count in told["batches"].items()})
    return Outcome(**told)


def by_client(target: Target, clients: int, seconds: int) -> Outcome:
    """A closed loop of `benchmarks.client`."""
    return summary(post(target, [f"--clients={clients}", f"--seconds={seconds}"]), seconds)


def post(target: Target, options: Sequence[str]) -> list[Answer]:
    """Run `benchmarks.client`."""
    command = [sys.executable, "-m", "benchmarks.client", str(target.port), target.path, target.upload.content_type]
    done = subprocess.run(
        [*command, target.expected, *options], cwd=ROOT, input=target.upload.body, stdout=subprocess.PIPE, check=True
    )
    return [Answer(*json.loads(line)) for line in done.stdout.splitlines()]


def summary(answers: Sequence[Answer], seconds: float) -> Outcome:
    """What a closed loop's answers come to."""
    right = [answer for answer in answers if answer.status == 200 and answer.right]
    p50, p99 = percentiles([answer.took for answer in right], 50, 99)
    batches = Counter(answer.batch for answer in right if answer.batch)
    return Outcome(seconds, len(right), len(answers) - len(right), p50, p99, batches)


def percentiles(seconds: Sequence[float], *wanted: float) -> list[float]:
    """Percentiles in ms of times in seconds; NaN where there are none."""
    return [float(np.percentile(seconds, part) * 1e3) if seconds else float("nan") for part in wanted]
