"""The README's commands, run as it says them: against the server that its first command starts."""

import csv
import io
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import ROOT, Process, serving

README = (ROOT / "README.md").read_text()
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL) for line in block.strip().splitlines()]

needs_install = pytest.mark.skipif(
    not (ROOT / ".venv" / "serve.installed").exists(), reason="make has installed nothing here: run make test"
)


@pytest.fixture(scope="module")
def server(release: Path) -> Iterator[Process]:
    """`make serve` of the committed release, on a free port."""
    with serving(release, command=("make", "serve", "PORT=0", f"ARTIFACTS={release}")) as running:
        yield running


def on(server: Process, text: str) -> str:
    """A command or program of the README with the address that this server has."""
    return text.replace("http://127.0.0.1:8000", server.url)


def test_the_commands_are_those_that_are_tested_here() -> None:
    """A command that the README gains must be run by a test too."""
    assert sorted({" ".join(line.split()[:2]) for line in COMMANDS}) == [
        ".venv/bin/python -m",
        "curl -F",
        "curl http://127.0.0.1:8000/health",
        "curl http://127.0.0.1:8000/models",
        "make serve",
        "make test",
        "make train",
    ]


@needs_install
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_reads_the_examples(server: Process) -> None:
    """Each curl of a picture gives the digit that its file is named after, accepted, by all three models."""
    names = {"seven": 7, "three": 3, "four": 4}
    lines = [line for line in COMMANDS if line.startswith("curl -F") and line.endswith("/predict")]
    assert len(lines) == 3
    for line in lines:
        done = subprocess.run(on(server, line), shell=True, cwd=ROOT, capture_output=True, text=True, check=True)
        answer = json.loads(done.stdout)
        found = re.search(r"examples/(\w+)\.", line)
        assert found is not None
        assert answer["label"] == names[found[1]]
        assert answer["accepted"]
        assert answer["agreement"] == 1
        assert answer["warnings"] == []


@needs_install
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_reads_the_number(server: Process) -> None:
    """The curl of a number gives its five digits in a line, all accepted."""
    (line,) = [line for line in COMMANDS if line.endswith("/read")]
    done = subprocess.run(on(server, line), shell=True, cwd=ROOT, capture_output=True, text=True, check=True)
    answer = json.loads(done.stdout)
    assert (answer["text"], answer["accepted"]) == ("29168", True)


@needs_install
def test_a_folder_becomes_a_table(server: Process) -> None:
    """The command for a folder writes a row for each picture in it, with the digit that its file is named after."""
    (line,) = [line for line in COMMANDS if line.startswith(".venv")]
    done = subprocess.run(f"{line} --url {server.url}", shell=True, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows = {Path(row["file"]).stem: row for row in csv.DictReader(io.StringIO(done.stdout))}
    assert set(rows) == {path.stem for path in (ROOT / "docs" / "examples").iterdir()}
    assert [rows[name]["label"] for name in ("seven", "three", "four")] == ["7", "3", "4"]
    assert rows["number"]["reason"] == "more than one digit"


@needs_install
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_shows_health_and_models(server: Process) -> None:
    """The service is ready with three models of the committed release."""
    shown = {}
    for line in COMMANDS:
        if line.startswith("curl http"):
            done = subprocess.run(on(server, line), shell=True, capture_output=True, text=True, check=True)
            shown[line.rsplit("/", 1)[1]] = json.loads(done.stdout)
    assert shown["health"]["state"] == "ready"
    assert [entry["model"] for entry in shown["models"]["models"]] == ["mlp", "cnn", "lenet5"]
    assert all(entry["manifest"]["metrics"]["test"]["accuracy"] >= 0.993 for entry in shown["models"]["models"])


@needs_install
def test_the_python_example_runs(server: Process) -> None:
    """The program in the README prints the label, the confidence and three votes."""
    program = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert program is not None
    done = subprocess.run([sys.executable, "-c", on(server, program[1])], cwd=ROOT, capture_output=True, text=True)
    assert re.fullmatch(r"7 0\.\d+ \[7, 7, 7\]\n", done.stdout), done.stderr


@needs_install
def test_the_answer_that_is_shown_is_the_answer_that_is_given(server: Process) -> None:
    """The JSON in the README has the fields of a real answer, and its label."""
    import httpx

    shown = re.search(r"```json\n(.*?)```", README, re.DOTALL)
    assert shown is not None
    told = json.loads(re.sub(r", …", "", shown[1]))
    with (ROOT / "docs" / "examples" / "seven.png").open("rb") as picture:
        given = httpx.post(f"{server.url}/predict", files={"file": picture}).json()
    assert set(told) == set(given)
    assert set(told["receipt"]) == set(given["receipt"])
    assert set(told["votes"][0]) == set(given["votes"][0])
    assert (told["label"], told["rule"]) == (given["label"], given["rule"])
    assert told["confidence"] == pytest.approx(given["confidence"], abs=1e-3)


@needs_install
def test_make_train_publishes_what_make_serve_reads(tmp_path: Path) -> None:
    """`make train`, by a tiny recipe on the tests' own digits, leaves three versions that `make serve` votes with."""
    arguments = ("RECIPE=tests/data/tiny.toml", "DATA=tests/data", f"ARTIFACTS={tmp_path}/artifacts")
    options = f"ARGS=--allow-other-data --runs {tmp_path}/runs"
    done = subprocess.run(["make", "train", *arguments, options], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    artifacts = tmp_path / "artifacts"
    with serving(artifacts, command=("make", "serve", "PORT=0", f"ARTIFACTS={artifacts}")) as running:
        lines = [on(running, line) for line in COMMANDS if line.startswith("curl -F") and line.endswith("/predict")]
        answers = [subprocess.run(line, shell=True, cwd=ROOT, capture_output=True, check=True).stdout for line in lines]
    assert len(answers) == 3
    for answer in map(json.loads, answers):
        assert [vote["version"] for vote in answer["votes"]] == [1, 1, 1]
        assert answer["missing"] == []


@needs_install
def test_a_second_make_installs_nothing() -> None:
    """Once installed, make has nothing left to install for any target."""
    for target in ("install", "serve", "train", "test", "lint", "bench"):
        done = subprocess.run(["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True, check=True)
        assert "pip install" not in done.stdout, target
