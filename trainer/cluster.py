"""A search for better settings as tasks of a Ray cluster: each takes trials of one study until it has as many as asked.

Ray decides where tasks run, and begins those of a lost node again elsewhere; the study says what is still to be tried.
"""

import logging
import socket
from collections.abc import Callable
from typing import Any

import optuna
import ray
import torch
from ray.exceptions import NodeDiedError, OutOfMemoryError, RayTaskError, WorkerCrashedError

from trainer import storage, tune
from trainer.errors import TrainerError
from trainer.tune import Search

_LOOK_SECONDS = 1.0  # between two looks at what has ended
_CONNECT_SECONDS = 10
_LOCAL = "local"
# Of a task whose node or process is lost: as often as three trials, each of which ends its process, are given up.
_RETRIES = 3 * (storage.MAX_RETRIES + 1)


def search(
    found: optuna.Study, wanted: Search, url: str, tell: Callable[[str], None], *, address: str, threads: int
) -> None:
    """Try settings as `tune.search` does, in as many tasks as the cluster has room for.

    Args:
        found: the study.
        wanted: what is searched.
        url: the study's storage, which every node must reach.
        tell: told of each trial that ends.
        address: the cluster's, as Ray has it; `auto` for the one that this machine is in, `local` for one of its own.
        threads: CPU threads that a trial has, and CPUs of the cluster.

    Raises:
        TrainerError: if there is no such cluster, a node cannot reach the storage, or tasks are lost too often.
    """
    known = {trial.number for trial in tune.of_state(found, *tune.ENDED)}
    gpus = 1 if wanted.training.labels.device.type == "cuda" else 0
    _join(address)
    try:
        shared = ray.put(wanted.on(torch.device("cpu")))
        work = _work.options(num_cpus=threads, num_gpus=gpus)
        # As many as trials may be tried at once: what finds no room waits for it, what finds no work left ends.
        tasks = [work.remote(shared, found.study_name, url, threads, gpus) for _ in range(wanted.trials - len(known))]
        while tasks:
            done, tasks = ray.wait(tasks, num_returns=1, timeout=_LOOK_SECONDS)
            for trial in tune.of_state(found, *tune.ENDED):
                if trial.number not in known:
                    known.add(trial.number)
                    tell(tune.line_of(found, trial))
            _check(done)
        if len(tune.of_state(found, *tune.ENDED)) < wanted.trials:
            raise TrainerError(f"--ray {address}: tasks ended too often in trials; give the same again to go on")
    finally:
        ray.shutdown()  # which ends the tasks too


def _join(address: str) -> None:
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address == _LOCAL:
        quiet["include_dashboard"] = False
    host, _, port = address.rpartition(":")
    try:
        if port.isdecimal() and "://" not in address:  # Ray would try for minutes
            socket.create_connection((host, int(port)), _CONNECT_SECONDS).close()
        ray.init(address, **quiet)
    except (RuntimeError, ValueError, OSError, OverflowError) as error:
        reason = str(error).splitlines()[0]
        raise TrainerError(f"--ray {address}: {reason}; give a cluster's HOST:PORT, auto, or local") from error


def _check(done: list["ray.ObjectRef[None]"]) -> None:
    try:
        ray.get(done)
    except RayTaskError as error:
        if isinstance(error.cause, TrainerError):
            raise TrainerError(f"on a node: {error.cause}") from None
        raise
    except (NodeDiedError, OutOfMemoryError, WorkerCrashedError):  # as often as it is begun again
        return


@ray.remote(max_retries=_RETRIES)
def _work(wanted: Search, name: str, url: str, threads: int, gpus: int) -> None:
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    here = wanted.on(torch.device("cuda" if gpus else "cpu"))
    tune.search(tune.opened(name, url, wanted.patience), here, lambda _: None)
