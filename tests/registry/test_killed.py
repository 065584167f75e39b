import json
import subprocess
import sys
from pathlib import Path

from registry.open import open_version
from tests.registry.killed import FILES
from tests.support import ROOT


def test_a_trainer_killed_at_every_step_of_a_publish_shows_no_reader_a_half(tmp_path: Path) -> None:
    """Kill -9 at more than 100 points, within writes too: readers find whole versions, and never an older one."""
    command = [sys.executable, "-m", "tests.registry.killed", str(tmp_path)]
    told = json.loads(subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout)
    assert told["kills"] > 100
    for reader in told["readers"]:
        assert not reader["wrong"]
        assert reader["opened"] > 100
        assert reader["newest"] > 1
    assert told["versions"] == list(range(1, len(told["versions"]) + 1))
    for version in told["versions"]:
        assert open_version(tmp_path, "mlp", version).model == FILES["model.pt"]
    assert told["left"] > 10, "the kills left nothing: they came at no step between"
    assert told["cleared"] == ["config.pbtxt", "labels.txt"], "the next publish clears what kills of an hour ago left"
