"""The examples of docs/protocol.md, run as they stand there."""

import json
import re
import subprocess
import sys

from tests.support import ROOT

TEXT = (ROOT / "docs" / "protocol.md").read_text()


def example(language: str, address: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)
    assert "127.0.0.1:8000" in found
    return str(found).replace("127.0.0.1:8000", address)


def test_the_example_of_tritonclient_runs(address: str) -> None:
    """It prints the vote on a picture, and three labels for each of two tensors."""
    done = subprocess.run(
        [sys.executable, "-c", example("python", address)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert re.search(r"^\[\d\] \[[\d.]+\] \[\[\d \d \d\]\]$", done.stdout, re.MULTILINE)
    assert len(re.findall(r"b'-?[\d.]+:\d:\d'", done.stdout)) == 6


def test_the_example_of_curl_runs(address: str) -> None:
    """It answers with the three outputs that it asks for."""
    done = subprocess.run(["bash", "-c", example("sh", address)], cwd=ROOT, capture_output=True, text=True, check=True)
    outputs = json.loads(done.stdout)["outputs"]
    assert [each["name"] for each in outputs] == ["LABEL", "CONFIDENCE", "ACCEPTED"]
    assert all(each["shape"] == [1] for each in outputs)
