"""python -m benchmarks.rollouts [--rollouts N] [--requests N] [--clients N] [--engine torch|onnx]

Versions come, good and bad, while requests are answered: each is published, and what the service makes of it is awaited
in /health before the next. None of the requests may fail, none may be answered by a version that is not good, and each
answer must be the one that its versions give. The models are the release's; a good version of the CNN is its copy, a
bad one would answer otherwise.
"""

import argparse
import http.client
import json
import os
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path

import httpx
import torch

from benchmarks.load import percentiles
from benchmarks.machine import conditions
from benchmarks.memory import pss
from benchmarks.uploads import Upload, digit, multipart
from registry import store, torchscript
from registry.manifest import Manifest
from registry.publish import publish
from tests.support import ROOT, serving

MODEL = "cnn"
_PICTURES = 8
_PAUSE = 0.02  # seconds between two questions to /health, and between two pieces of a slow copy


class Narrow(torch.nn.Module):
    """Logits of nine digits."""

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Logits [N, 9] of pictures [N, 1, 28, 28]."""
        return pictures.flatten(1)[:, :9]


class Wrong(torch.nn.Module):
    """A nine, whatever it is shown."""

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Logits [N, 10] of pictures [N, 1, 28, 28]."""
        return pictures.flatten(1)[:, :10] * 0 + 99 * torch.arange(10)


@dataclass
class Store:
    """The folder that is served, and which of the versions published there are good."""

    root: Path
    good: list[int]

    @property
    def folder(self) -> Path:
        """Where the model's versions lie."""
        return self.root / MODEL

    def first(self) -> Manifest:
        """The manifest of the version that all began with."""
        return store.manifest(self.root, MODEL, self.good[0])

    def files(self) -> dict[str, bytes]:
        """That version's other files, by path."""
        folder, manifest = self.folder / str(self.good[0]), self.first()
        return {name: (folder / name).read_bytes() for name in (store.MODEL_FILE, *manifest.files)}

    def publish(self, files: dict[str, bytes]) -> int:
        """Publish files as the next version, whole at once."""
        return publish(self.root, self.first(), files).version

    def copy(self) -> tuple[Path, dict[str, bytes]]:
        """The folder and the files, the manifest first, of a next version, which is not there yet."""
        number = (store.latest(self.root, MODEL) or 0) + 1
        manifest = self.first().model_copy(update={"version": number}).model_dump_json().encode()
        return self.folder / str(number), {store.MANIFEST_FILE: manifest, **self.files()}


def good(versions: Store, seen: "Seen") -> None:
    """A whole version that passes."""
    number = versions.publish(versions.files())
    versions.good.append(number)
    seen.until(number, "served")


def corrupt(versions: Store, seen: "Seen") -> None:
    """One whose model.pt has a byte that is another."""
    folder, files = versions.copy()
    content = bytearray(files[store.MODEL_FILE])
    content[len(content) // 2] ^= 255
    write(folder, {**files, store.MODEL_FILE: bytes(content)})
    seen.until(int(folder.name), "failed")


def lying(versions: Store, seen: "Seen") -> None:
    """Another model beside the right one's golden digits: each hash is right."""
    module, golden = torchscript.dump(Wrong()), versions.files()[store.GOLDEN_FILE]
    seen.until(versions.publish({store.MODEL_FILE: module, store.GOLDEN_FILE: golden}), "failed")


def wrong_shape(versions: Store, seen: "Seen") -> None:
    """One that gives nine logits, where its manifest and its golden digits say ten."""
    module, golden = torchscript.dump(Narrow()), versions.files()[store.GOLDEN_FILE]
    seen.until(versions.publish({store.MODEL_FILE: module, store.GOLDEN_FILE: golden}), "failed")


def half_copied(versions: Store, seen: "Seen") -> None:
    """A good one that lies there in part for a while, at first without its manifest, then with half of its module."""
    folder, files = versions.copy()
    content = files.pop(store.MODEL_FILE)
    write(folder, {store.MODEL_FILE: content[: len(content) // 2]})
    seen.until(int(folder.name), "waiting")
    write(folder, files)
    versions.good.append(int(folder.name))
    write(folder, {store.MODEL_FILE: content})
    seen.until(int(folder.name), "served")


def slow(versions: Store, seen: "Seen") -> None:
    """A good one that comes file by file and piece by piece, the manifest first."""
    folder, files = versions.copy()
    versions.good.append(int(folder.name))
    for name, content in files.items():
        step = max(1, len(content) // 8)
        write(folder, {name: b""})
        with (folder / name).open("wb") as file:
            for start in range(0, len(content), step):
                file.write(content[start : start + step])
                file.flush()
                time.sleep(_PAUSE)
    seen.until(int(folder.name), "served")


def removed(versions: Store, seen: "Seen") -> None:
    """The newest good version's folder goes, and the one before it comes back."""
    if len(versions.good) < 2:
        good(versions, seen)
    shutil.rmtree(versions.folder / str(versions.good.pop()))
    seen.until(versions.good[-1], "served")


KINDS: dict[str, Callable[[Store, "Seen"], None]] = {
    "good": good,
    "corrupt": corrupt,
    "lying": lying,
    "half-copied": half_copied,
    "wrong shape": wrong_shape,
    "slow": slow,
    "removed": removed,
}


def write(folder: Path, files: dict[str, bytes]) -> None:
    """Write files into a folder in place, one after the other."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


@dataclass
class Seen:
    """What /health tells of the model that is rolled out."""

    url: str

    def until(self, version: int, stage: str) -> None:
        """Wait until a version is served, or has come to a stage.

        Raises:
            TimeoutError: if it has not after a minute.
        """
        for _ in range(int(60 / _PAUSE)):
            found = self._stages()
            if found.get(version) == stage:
                return
            time.sleep(_PAUSE)
        raise TimeoutError(f"version {version} should be {stage}: {found}")

    def _stages(self) -> dict[int | None, str]:
        health = httpx.get(f"{self.url}/health", timeout=60).json()
        model = next(entry for entry in health["models"] if entry["model"] == MODEL)
        return {model["version"]: "served", **{tried["version"]: tried["stage"] for tried in model["tried"]}}


@dataclass
class Answers:
    """What came of the requests."""

    took: list[float] = field(default_factory=list)  # seconds
    failed: Counter[str] = field(default_factory=Counter)
    versions: Counter[int] = field(default_factory=Counter)
    wrong: int = 0


class Clients:
    """Threads that post pictures one after the other, until they are told to stop."""

    def __init__(self, url: str, number: int) -> None:
        self.answers = Answers()
        self._address = url.removeprefix("http://")
        self._uploads = [multipart(digit(row)) for row in range(_PICTURES)]
        with closing(self._connection()) as connection:
            self._expected = [self._vote(connection, upload)[1] for upload in self._uploads]
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._post) for _ in range(number)]

    def start(self) -> None:
        """Begin to post."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Have each thread end after the answer that it waits for."""
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def _post(self) -> None:
        with closing(self._connection()) as connection:  # which it opens anew where it was closed
            for upload, expected in cycle(zip(self._uploads, self._expected, strict=True)):
                if self._stopped.is_set():
                    return
                self._ask(connection, upload, expected)

    def _ask(self, connection: http.client.HTTPConnection, upload: Upload, expected: tuple[int, int]) -> None:
        started = time.perf_counter()
        try:
            version, labels = self._vote(connection, upload)
        except (OSError, http.client.HTTPException, StopIteration) as error:
            connection.close()
            with self._lock:
                self.answers.failed[repr(error)] += 1
            return
        with self._lock:
            self.answers.took.append(time.perf_counter() - started)
            self.answers.versions[version] += 1
            self.answers.wrong += labels != expected

    def _connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self._address, timeout=60)

    def _vote(self, connection: http.client.HTTPConnection, upload: Upload) -> tuple[int, tuple[int, int]]:
        """Which version voted, and its label and that of all models."""
        connection.request("POST", "/predict", upload.body, {"Content-Type": upload.content_type})
        response = connection.getresponse()
        answer = json.loads(response.read())
        if response.status != 200:
            raise http.client.HTTPException(answer["detail"])
        vote = next(vote for vote in answer["votes"] if vote["model"] == MODEL)
        return vote["version"], (vote["label"], answer["label"])


@dataclass
class Report:
    """What a storm of rollouts came to."""

    answers: Answers
    bad: int  # answers by a version that is none of the good ones
    kinds: Counter[str]
    memory: list[float]  # MiB after each rollout
    seconds: float


def storm(url: str, root: Path, rollouts: int, requests: int, clients: int, process: int) -> Report:
    """Roll out one version after the other among so many requests, at least."""
    seen, posting, started = Seen(url), Clients(url, clients), time.perf_counter()
    versions = Store(root, [store.latest(root, MODEL) or 1])
    kinds, memory, ever = Counter[str](), [], set(versions.good)
    posting.start()
    try:
        for name in islice(cycle(KINDS), rollouts):
            KINDS[name](versions, seen)
            kinds[name] += 1
            ever |= set(versions.good)
            memory.append(pss(process))
        while len(posting.answers.took) + posting.answers.failed.total() < requests:
            time.sleep(_PAUSE)
    finally:
        posting.stop()
    answers = posting.answers
    bad = sum(number for version, number in answers.versions.items() if version not in ever)
    return Report(answers, bad, kinds, memory, time.perf_counter() - started)


def main() -> int:
    """Measure and print; the status is 1 if a request failed, or was answered otherwise than a good version does."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rollouts", type=int, default=50)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--engine", choices=("torch", "onnx"), default="torch")
    told = parser.parse_args()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "artifacts"
        for name in ("mlp", "cnn", "lenet5", "gate"):
            shutil.copytree(ROOT / "artifacts" / name, root / name)
        with serving(root, poll_seconds=0.2, engine=told.engine) as server:
            report = storm(server.url, root, told.rollouts, told.requests, told.clients, server.process.pid)
            ended = server.stop()
    answers = report.answers
    p50, p99 = percentiles(answers.took, 50, 99)
    print("rollouts:", ", ".join(f"{number} {kind}" for kind, number in report.kinds.items()))
    print(f"{len(answers.took):,} answers in {report.seconds:.0f} s, by {len(answers.versions)} versions of {MODEL}")
    print(f"{answers.failed.total()} failed, {report.bad} by a bad version, {answers.wrong} with another label")
    print(f"p50 {p50:.1f} ms, p99 {p99:.1f} ms, longest {1e3 * max(answers.took):.0f} ms; {told.clients} clients")
    print("MiB after rollouts:", ", ".join(f"{mib:.0f}" for mib in report.memory[:: max(1, told.rollouts // 10)]))
    print(f"exit status of the service {ended}; {told.engine}; {conditions(load)}")
    for reason, number in answers.failed.items():
        print(f"  {number} x {reason}")
    return int(bool(answers.failed.total() or report.bad or answers.wrong or ended))


if __name__ == "__main__":
    sys.exit(main())
