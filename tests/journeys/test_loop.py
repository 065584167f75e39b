"""The loop: what a service reads wrong is fed back, learnt, rolled out, and read right."""

import io
import os
import re
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from registry import store
from tests.feedback import sevens
from tests.mnist import FOLDER, digits, labels
from tests.support import ROOT, committed, encoded, serving
from trainer.finetune.admission import Change
from trainer.recipe import SHIPPED

MODELS = ("lenet5", "mlp", "cnn")


def read(client: httpx.Client, pictures: NDArray[np.uint8]) -> list[dict[str, Any]]:
    """The service's answers to pictures [N, 28, 28], by /predict/batch."""
    found: list[dict[str, Any]] = []
    for start in range(0, len(pictures), 200):
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as packed:
            for number, pixels in enumerate(pictures[start : start + 200]):
                packed.writestr(f"{number}.png", encoded(Image.fromarray(pixels)))
        headers = {"Content-Type": "application/zip"}
        answers = client.post("/predict/batch", content=archive.getvalue(), headers=headers).json()["answers"]
        found += [each["prediction"] for each in answers]
    return found


def right(answers: list[dict[str, Any]], truth: NDArray[np.uint8] | int) -> int:
    """How many are as they should be."""
    return int(hits(answers, truth).sum())


def hits(answers: list[dict[str, Any]], truth: NDArray[np.uint8] | int) -> NDArray[np.bool_]:
    """Which are [N]."""
    return np.asarray(np.array([answer["label"] for answer in answers]) == truth)


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """The shipped recipe for fine-tuning, made short for the tests' few digits."""
    text = (SHIPPED / "finetune.toml").read_text()
    for key, value in {"validation": 100, "drawn": 0, "repeat": 3, "least": 10, "epochs": 2, "batch_size": 32}.items():
        text = re.sub(rf"^{key} = \d+$", f"{key} = {value}", text, flags=re.MULTILINE)
    text = re.sub(r"^ema = [\d.]+$", "ema = 0.9", text, flags=re.MULTILINE).replace("bfloat16", "float32")
    path = tmp_path / "short.toml"
    path.write_text(text)
    return path


@pytest.mark.timeout(900)  # three networks are trained, a second process serves, and both wait for the same cores
def test_a_writers_sevens_are_learnt_from_feedback(release: Path, recipe: Path, tmp_path: Path) -> None:
    """Sevens that the release misreads are fed back, the versions that learnt them roll out, and others are read.

    Of MNIST's digits no fewer are right than before, but for chance; /models tells the old versions' live accuracy.
    """
    artifacts, feedback = tmp_path / "artifacts", tmp_path / "feedback.db"
    shutil.copytree(release, artifacts)
    with (
        serving(artifacts, feedback=feedback, poll_seconds=0.2, reject="off", wait_ms=60_000) as running,
        httpx.Client(base_url=running.url, timeout=120) as client,
    ):
        others, clean = sevens(60, seed=2), digits()
        before, known = right(read(client, others), 7), read(client, clean)
        assert before < 45
        for index, answer in enumerate(read(client, sevens(80, seed=1))):
            given = {"request_id": answer["receipt"]["request_id"], "index": index, "label": 7}
            assert client.post("/feedback", json=given).status_code == 200
        vote = client.get("/models").json()["live"]["accuracy"][0]
        assert vote["answers"] == 80
        assert vote["high"] < 0.85

        command = [sys.executable, "-m", "trainer", "train", "--recipe", recipe, "--data", f"feedback:{feedback}"]
        command += ["--data", FOLDER, "--allow-other-data", "--artifacts", artifacts, "--runs", tmp_path / "runs"]
        trained = subprocess.run(
            [str(word) for word in command],
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
        )
        assert trained.returncode == 0, trained.stdout + trained.stderr
        new = {name: committed(name) + 1 for name in MODELS}
        assert {name: store.versions(artifacts, name) for name in MODELS} == {
            name: [version - 1, version] for name, version in new.items()
        }

        until = time.monotonic() + 120
        while {each["model"]: each["version"] for each in client.get("/models").json()["models"]} != new:
            assert time.monotonic() < until, client.get("/health").text
            time.sleep(0.1)
        answers = read(client, others)
        assert {vote["model"]: vote["version"] for vote in answers[0]["votes"]} == new
        assert right(answers, 7) >= 57
        changed = Change.of(hits(known, labels()), hits(read(client, clean), labels()))
        assert changed.after >= changed.before or changed.p >= 0.05, changed
