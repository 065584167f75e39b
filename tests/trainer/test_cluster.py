"""A search on a Ray cluster."""

import os
import signal
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
from tests.trainer.test_storage import begun, database, recipe_of, seen
from trainer import mnist, recipe, sampling, tune
from trainer.errors import TrainerError

pytest.importorskip("ray", reason="Ray is not installed")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:ray", "ignore::FutureWarning:ray")

__all__ = ["database"]
TRIALS = 4


@pytest.fixture
def nodes(ray_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, list[Any]]]:
    """A cluster of a head without room for trials, and two nodes with room for one each."""
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_TMPDIR", str(ray_folder))
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_worker_niceness", "0")  # by its own, workers would wait for all else on a busy machine
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    small: dict[str, Any] = {"object_store_memory": 80_000_000}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, **small})
    try:
        yield cluster, [cluster.add_node(num_cpus=1, **small) for _ in range(2)]
    finally:
        cluster.shutdown()  # type: ignore[no-untyped-call]


@pytest.mark.cluster
@pytest.mark.timeout(900, func_only=True)
def test_a_lost_node_loses_no_trial(nodes: tuple[Any, list[Any]], database: str, tmp_path: Path) -> None:
    """A node is lost in mid-search: what it tried is tried again on the other, and as many end as were asked."""
    from trainer import cluster

    running, both = nodes
    base = recipe.read(str(recipe_of(tmp_path, 20)))
    small = mnist.load(Path(OTHER[1]), other=True)
    training, validation, _ = sampling.split(small, base, torch.device("cpu"))
    wanted = tune.Search(base, "mlp", training, validation, TRIALS, patience=30)
    study = tune.study(wanted, "on-ray", database)
    told: list[str] = []
    lost: list[FrozenTrial] = []

    def lose() -> None:
        """Whichever node begins a trial first is lost at once, in that trial."""
        lost.append(begun(seen(database, "on-ray", lambda trials: bool(begun(trials))))[0])
        worker = int(lost[0].user_attrs["worker"].rpartition(":")[2])
        (node,) = [each for each in both if worker in _children(each.all_processes["raylet"][0].process.pid)]
        os.kill(worker, signal.SIGKILL)  # a lost machine takes all along
        running.remove_node(node, allow_graceful=False)

    losing = threading.Thread(target=lose)
    losing.start()
    cluster.search(study, wanted, database, told.append, address=running.address, threads=1)
    losing.join()
    trials = seen(database, "on-ray", bool)
    ended = [trial for trial in trials if trial.state in tune.ENDED]
    # More often than once, where a busy machine kept a worker from being heard of.
    again = [trial for trial in ended if trial.system_attrs.get("failed_trial") == lost[0].number]
    assert len(ended) == TRIALS == len(told)
    assert trials[lost[0].number].state == TrialState.FAIL
    assert len(again) >= 1
    assert all(trial.params.items() >= lost[0].params.items() for trial in again)
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
