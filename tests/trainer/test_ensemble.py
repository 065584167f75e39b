"""What models are worth together."""

import io
import json
import re
from pathlib import Path

from PIL import Image

from tests.trainer.conftest import OTHER, TinyRun, cli


def test_evaluate_vote(tiny_run: TinyRun, tmp_path: Path) -> None:
    """`evaluate --vote --json` holds each model, each rule, each pair and the errors by coverage, which agree."""
    arguments = ("evaluate", "mlp=1", "cnn=1", "lenet5=1", "--vote", *OTHER, "--artifacts", tiny_run.artifacts)
    done = cli(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    errors = {row["name"]: round(200 * (1 - row["accuracy"])) for row in told["figures"]}
    assert list(errors) == ["mlp 1", "cnn 1", "lenet5 1", "vote: weighted", "vote: mean", "vote: majority"]
    assert [(one["first"], one["second"]) for one in told["pairs"]] == [
        ("mlp 1", "cnn 1"),
        ("mlp 1", "lenet5 1"),
        ("cnn 1", "lenet5 1"),
    ]
    for one in told["pairs"]:
        apart = errors[one["first"]] + errors[one["second"]] - 2 * one["both_wrong"]
        assert one["different"] == apart + one["both_wrong"] - one["same_wrong"]
    for row in told["coverage"]:
        if row["coverage"] == 1:
            assert row["errors"] == errors[row["name"]]
    curve = tmp_path / "curve.png"
    shown = cli(*arguments, "--curve", curve).stdout
    assert re.search(r"^mlp 1, cnn 1 +\d+ +\d+ +\d+", shown, re.MULTILINE)
    assert re.search(r"^vote: weighted( +[\d.]+%){7} *$", shown, re.MULTILINE)
    assert shown.endswith(f"wrote {curve}\n")
    with Image.open(io.BytesIO(curve.read_bytes())) as picture:
        assert picture.format == "PNG"


def test_one_model_has_no_vote(tiny_run: TinyRun) -> None:
    """`--vote` of one model is bad input, and so is its curve without it."""
    done = cli("evaluate", "mlp=1", "--vote", *OTHER, "--artifacts", tiny_run.artifacts)
    assert done.returncode == 2
    assert "--vote: one model alone has no vote" in done.stderr
    done = cli("evaluate", "--curve", "curve.png", *OTHER, "--artifacts", tiny_run.artifacts)
    assert done.returncode == 2
    assert done.stderr == "error: --curve: give --vote too\n"
