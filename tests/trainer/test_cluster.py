"""A search on a Ray cluster."""

import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from optuna.trial import FrozenTrial, TrialState

from tests import postgres
from tests.trainer.conftest import OTHER
from tests.trainer.test_storage import database, recipe_of, seen
from trainer import mnist, recipe, sampling, tune
from trainer.errors import TrainerError

pytest.importorskip("ray", reason="Ray is not installed")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:ray", "ignore::FutureWarning:ray")

__all__ = ["database"]
TRIALS = 4


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, list[Any]]]:
    """A cluster of a head without room for trials, and two nodes with room for one each."""
    from ray.cluster_utils import Cluster

    # For Ray's sockets, whose names may have no more than a hundred letters: pytest's own folders are too long.
    folder = tempfile.mkdtemp(prefix="ray-")
    monkeypatch.setenv("RAY_TMPDIR", folder)
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_worker_niceness", "0")  # by its own, workers would wait for all else on a busy machine
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    small: dict[str, Any] = {"object_store_memory": 80_000_000}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, **small})
    try:
        yield cluster, [cluster.add_node(num_cpus=1, **small) for _ in range(2)]
    finally:
        cluster.shutdown()  # type: ignore[no-untyped-call]
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.timeout(600)
def test_a_lost_node_loses_no_trial(nodes: tuple[Any, list[Any]], database: str, tmp_path: Path) -> None:
    """A node is lost in mid-search: what it tried is tried again on the other, and as many end as were asked."""
    from trainer import cluster

    running, (lost, _) = nodes
    base = recipe.read(str(recipe_of(tmp_path, 20)))
    small = mnist.load(Path(OTHER[1]), other=True)
    training, validation, _ = sampling.split(small, base, torch.device("cpu"))
    wanted = tune.Search(base, "mlp", training, validation, TRIALS, patience=10)
    study = tune.study(wanted, "on-ray", database)
    told: list[str] = []

    def both(trials: list[FrozenTrial]) -> bool:
        return len([trial for trial in trials if trial.state == TrialState.RUNNING and trial.params]) == 2

    def lose() -> None:
        (raylet,) = lost.all_processes["raylet"]
        workers = {int(trial.user_attrs["worker"].rpartition(":")[2]) for trial in seen(database, "on-ray", both)}
        for pid in workers & set(_children(raylet.process.pid)):  # a lost machine takes all along
            os.kill(pid, signal.SIGKILL)
        running.remove_node(lost, allow_graceful=False)

    losing = threading.Thread(target=lose)
    losing.start()
    cluster.search(study, wanted, database, told.append, address=running.address, threads=1)
    losing.join()
    trials = seen(database, "on-ray", bool)
    ended = [trial for trial in trials if trial.state in tune.ENDED]
    again = [trial for trial in ended if "failed_trial" in trial.system_attrs]
    assert len(ended) == TRIALS == len(told)
    assert len(again) == 1
    assert trials[again[0].system_attrs["failed_trial"]].state == TrialState.FAIL
    assert len({trial.user_attrs["worker"] for trial in trials if "worker" in trial.user_attrs}) > 1
    assert all(postgres.PASSWORD not in line for line in told)


def _children(parent: int) -> Iterator[int]:
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (entry / "stat").read_text().rpartition(")")[2].split()[1] == str(parent):
                yield int(entry.name)


def test_no_cluster(database: str, tmp_path: Path) -> None:
    """An address where no cluster is, is bad input."""
    from trainer import cluster

    base = recipe.read(str(recipe_of(tmp_path, 1)))
    training, validation, _ = sampling.split(mnist.load(Path(OTHER[1]), other=True), base, torch.device("cpu"))
    wanted = tune.Search(base, "mlp", training, validation, 1)
    study = tune.study(wanted, "nowhere", database)
    with pytest.raises(TrainerError, match=r"--ray 127\.0\.0\.1:1: .*; give a cluster's HOST:PORT, auto, or local"):
        cluster.search(study, wanted, database, lambda _: None, address="127.0.0.1:1", threads=1)
