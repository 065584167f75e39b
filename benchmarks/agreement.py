"""python -m benchmarks.agreement [--artifacts DIR] [--data DIR] [--digits N] [--engine torch|onnx] [--cluster N]

Whether it matters by which way MNIST's test digits come to the models. First how far the probabilities of each model
and of the gate by torch lie from those by onnx, in batches of 64 and one by one. Then each digit as a PNG, posted to
`/predict` of a service on `--engine`: how many each model and the vote read right, beside the models' own answers to
the same digits as arrays. With --cluster they are posted to a cluster of this machine too, with N replicas of the
models, and its answers held against those of the one process.
"""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image

from benchmarks.load import ROOT
from benchmarks.machine import hardware, versions
from benchmarks.servers import clustered, ours, running
from registry import store
from registry.manifest import GATE
from registry.open import Artifact, open_version
from registry.rules import Floats, combine, probabilities
from service.engine.engine import open_engine
from service.settings import Settings
from tests.support import encoded
from trainer import mnist
from trainer.evaluate import Labels, answer

BATCH = 64
CONNECTIONS = 4


def ask(engine: str, artifact: Artifact, pictures: Labels, size: int) -> Floats:
    """Calibrated probabilities [N, L] by an engine, asked in batches of a size."""
    predict = open_engine(Settings(engine=engine, device="cpu", threads=1)).predictor(artifact)
    return probabilities(answer(predict, pictures, size), artifact.manifest.temperature)


def apart(one: Floats, other: Floats) -> str:
    """The largest difference of probabilities [N, L], and how many labels differ."""
    return f"{np.abs(one - other).max():.1e} | {int((one.argmax(1) != other.argmax(1)).sum())}"


def engines(artifacts: Sequence[Artifact], pictures: Labels) -> Iterator[str]:
    """A row a model: torch beside onnx in batches and one by one, and torch's two ways beside each other."""
    yield f"| | torch and onnx, batches of {BATCH} | labels | one by one | labels | torch, one and {BATCH} | labels |"
    yield "|---|---|---|---|---|---|---|"
    for artifact in artifacts:
        torch, torch_alone, onnx, onnx_alone = (
            ask(engine, artifact, pictures, size) for engine in ("torch", "onnx") for size in (BATCH, 1)
        )
        pairs = (torch, onnx), (torch_alone, onnx_alone), (torch, torch_alone)
        yield f"| {artifact.manifest.name} | {' | '.join(apart(*pair) for pair in pairs)} |"


def post(port: int, contents: Sequence[bytes]) -> list[dict[str, Any]]:
    """The answers of `/predict` to files."""
    with (
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client,
        ThreadPoolExecutor(CONNECTIONS) as pool,
    ):
        answers = pool.map(lambda content: client.post("/predict", files={"file": content}), contents)
        return [told.raise_for_status().json() for told in answers]


def ways(votes: Floats, voters: Sequence[Artifact], answers: Sequence[dict[str, Any]], truth: Labels) -> Iterator[str]:
    """A row a model, one for the vote: right by the arrays' probabilities [M, N, 10], and by `/predict`'s answers."""
    names, rule = [voter.manifest.name for voter in voters], answers[0]["rule"]
    weights = np.asarray([voter.manifest.weight for voter in voters], np.float32)
    told = [{vote["model"]: vote for vote in answer["votes"]} for answer in answers]
    posted = np.asarray([[one[name]["probabilities"] for one in told] for name in names])
    arrays = [*votes.argmax(2), combine(votes, weights, rule).argmax(1)]
    files = [*posted.argmax(2), np.asarray([answer["label"] for answer in answers])]
    yield "| | right as arrays | right as PNGs | difference, points | labels that differ |"
    yield "|---|---|---|---|---|"
    for name, array, file in zip([*names, f"vote: {rule}"], arrays, files, strict=True):
        one, other = (array == truth).mean() * 100, (file == truth).mean() * 100
        yield f"| {name} | {one:.2f} % | {other:.2f} % | {other - one:+.2f} | {int((array != file).sum())} |"
    right = [answer for answer, label in zip(answers, truth, strict=True) if answer["label"] == label]
    refused = sum(not answer["accepted"] for answer in right)
    largest = np.abs(posted - votes).max()
    yield f"\nProbabilities differ by {largest:.1e} at most; of {len(right):,} read right {refused} are refused."


def beside(answers: Sequence[dict[str, Any]], others: Sequence[dict[str, Any]]) -> str:
    """How far the answers of two services to the same files lie apart."""
    pairs = list(zip(answers, others, strict=True))
    labels = sum(one["label"] != other["label"] for one, other in pairs)
    votes = [pair for one, other in pairs for pair in zip(one["votes"], other["votes"], strict=True)]
    differ = sum((one["model"], one["label"]) != (other["model"], other["label"]) for one, other in votes)
    largest = max(np.abs(np.subtract(one["probabilities"], other["probabilities"])).max() for one, other in votes)
    return (
        f"of {len(pairs):,} answers {labels} labels differ, of {len(votes):,} votes {differ}, "
        f"and probabilities by {largest:.1e} at most"
    )


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--artifacts", type=Path, default=ROOT / "artifacts")
    parser.add_argument("--data", type=Path, help="folder of MNIST's files; without it they are fetched")
    parser.add_argument("--digits", type=int, default=10_000)
    parser.add_argument("--engine", choices=["torch", "onnx"], default="torch", help="of the service")
    parser.add_argument("--cluster", type=int, default=0, metavar="N", help="replicas of the models in a cluster")
    told = parser.parse_args()
    load = os.getloadavg()[0]
    test = mnist.load(told.data, other=True)
    pictures, truth = test.test_pictures[: told.digits], test.test_labels[: told.digits]
    names = (*Settings().models, GATE)
    artifacts = [open_version(told.artifacts, name, store.latest(told.artifacts, name) or 0) for name in names]
    voters = artifacts[:-1]
    print("\n".join(engines(artifacts, pictures)), end="\n\n")
    one, contents = ours(told.engine, 1), [encoded(Image.fromarray(picture)) for picture in pictures]
    with running(one, told.artifacts.resolve()) as (port, _):
        answers = post(port, contents)
    votes = np.stack([ask(told.engine, voter, pictures, BATCH) for voter in voters])
    print("\n".join(ways(votes, voters, answers, truth)))
    if told.cluster:
        with running(clustered(one, "cluster", told.cluster), told.artifacts.resolve()) as (port, _):
            print(f"\nA cluster with {told.cluster} replicas of the models: {beside(answers, post(port, contents))}.")
    print(f"\n{len(pictures):,} digits, /predict by {told.engine} over {CONNECTIONS} connections;")
    print(f"{hardware()}; {versions('torch', 'onnxruntime', 'pillow')}; load average before: {load:.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
