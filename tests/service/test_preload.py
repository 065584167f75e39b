import subprocess
import sys

import pytest

from service.preload import preload
from tests.support import ROOT

_LOADS = """
import sys
from pathlib import Path

from service.preload import preload

thread = preload(sys.argv[1])
thread.join()
print("libtorch_python" in Path("/proc/self/maps").read_text(), "torch" in sys.modules)
if sys.argv[1] == "torch":
    import torch

    print(int(torch.ones(3).sum()))
"""


@pytest.mark.parametrize(("engine", "told"), [("torch", "True False\n3\n"), ("onnx", "False False\n")])
def test_only_torch_is_linked_and_not_imported(engine: str, told: str) -> None:
    """With torch its libraries are there before it is imported, which then works; with another engine nothing is."""
    done = subprocess.run([sys.executable, "-c", _LOADS, engine], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == told


def test_without_torch_nothing_is_linked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where torch is not installed the thread ends, and the import says later what is missing."""
    monkeypatch.setattr("service.preload.find_spec", lambda _: None)
    thread = preload("torch")
    thread.join(10)
    assert not thread.is_alive()
