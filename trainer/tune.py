"""The search for better settings of one model of a recipe, by Optuna: resumable, by several at once."""

import os
import platform
import tempfile
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import optuna
import torch
from optuna.exceptions import ExperimentalWarning, UpdateFinishedTrialError
from optuna.samplers import TPESampler
from optuna.storages import RetryHeartbeatStaleTrialCallback
from optuna.trial import BaseTrial, FixedTrial, FrozenTrial, Trial, TrialState

from trainer import loop, recipe, storage
from trainer.data import Examples
from trainer.errors import DivergedError, TrainerError
from trainer.loop import Epoch
from trainer.recipe import ModelRecipe, Name, Recipe

ENDED = (TrialState.COMPLETE, TrialState.PRUNED)
_SILENT_SECONDS = 600  # after which a trial of which no worker ever was heard is tried again
_LOOK_SECONDS = 1.0  # between two looks at the trials of others
_FIXED = "fixed_params"  # Optuna's own attribute, of what was queued by `enqueue_trial`
_HISTORY = "retry_history"  # its attribute too: numbers of the trials of the same settings whose workers were lost
_WORKER = "worker"  # who tries it: host and process

# The largest strength of each distortion that is tried, or the recipe's own where that is larger. `stroke` to `specks`
# are not tried: validation digits are clean, so by them the best is always none.
_DISTORTIONS = {"rotation": 20.0, "scaling": 0.3, "shift": 3.0, "shear": 15.0, "elastic": 1.5}


@dataclass(frozen=True)
class Search:
    """What is searched: a model of a recipe, on which pictures, until a study has so many ended trials.

    Of a worker that was not heard of for `patience` seconds the trial is tried again.
    """

    base: Recipe
    model: Name
    training: Examples
    validation: Examples
    trials: int
    patience: int = storage.PATIENCE_SECONDS

    def on(self, device: torch.device) -> "Search":
        """The same with its pictures on a device."""
        return replace(self, training=self.training.to(device), validation=self.validation.to(device))


def study(wanted: Search, name: str, url: str) -> optuna.Study:
    """The study of a name, new or gone on with; the recipe as it stands is the first to be tried.

    Raises:
        TrainerError: if the model has a teacher, the study is of another recipe or of other data, or the storage
            cannot be opened.
    """
    base, model = wanted.base, wanted.model
    if base.models[model].teacher:
        raise TrainerError(f"recipe: models.{model}.teacher: tune searches without one; leave it out meanwhile")
    found = opened(name, url, wanted.patience)
    identity = loop.identity(base, model, wanted.training)
    if found.user_attrs.setdefault("identity", identity) != identity:
        where = storage.hidden(url)
        raise TrainerError(f"study {name} in {where} is of another recipe or other data; give another --study")
    found.set_user_attr("identity", identity)
    start = _start(base.models[model])
    tried = (one for one in found.get_trials(deepcopy=False) if one.state != TrialState.FAIL or _is_given_up(one))
    if all(one.system_attrs.get(_FIXED) != start for one in tried):  # skip_if_exists would count failed ones
        found.enqueue_trial(start)
    return found


def _is_given_up(trial: FrozenTrial) -> bool:
    """Whether workers ended in its settings as often as these are tried."""
    return len(trial.system_attrs.get(_HISTORY, ())) >= storage.MAX_RETRIES


def opened(name: str, url: str, patience: int) -> optuna.Study:
    """The study of a name, made where there is none.

    Raises:
        TrainerError: if the storage cannot be opened.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)  # Ctrl-C is no failure to print a stack of
    return optuna.create_study(
        storage=storage.connect(url, patience),
        study_name=name,
        direction="maximize",
        pruner=optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=1),
        load_if_exists=True,
    )


def search(found: optuna.Study, wanted: Search, tell: Callable[[str], None]) -> None:
    """Try settings until the study, of whatever processes on whatever machines, has as many ended trials as are wanted.

    A trial of a worker that died is tried again, thrice at most. Where others try as many as are still wanted, this
    waits for them.
    """
    waiting = False
    while len(of_state(found, *ENDED)) < wanted.trials:
        _give_up_dead(found)
        queued = of_state(found, TrialState.WAITING)
        if queued or len(of_state(found, *ENDED, TrialState.RUNNING)) < wanted.trials:
            _try_one(found, wanted, tell)
            continue
        if not waiting:
            tell("the last trials are being tried by other workers: waiting for them")
        waiting = True
        time.sleep(_LOOK_SECONDS)


def _try_one(found: optuna.Study, wanted: Search, tell: Callable[[str], None]) -> None:
    number = -1

    def objective(trial: Trial) -> float:
        nonlocal number
        number = trial.number
        trial.set_user_attr(_WORKER, f"{platform.node()}:{os.getpid()}")
        if _is_surplus(found, number, wanted.trials):
            raise _Surplus
        # By the trial's number: the same search draws the same again, and no two of several processes draw alike.
        found.sampler = TPESampler(seed=wanted.base.seed + number, constant_liar=True)
        return _accuracy(settled(wanted.base, wanted.model, trial), wanted, trial)

    def ended(study: optuna.Study, trial: FrozenTrial) -> None:
        if trial.state in ENDED:
            tell(line_of(study, trial))

    try:
        found.optimize(objective, n_trials=1, callbacks=[ended], catch=(_Surplus,))
    except (ValueError, UpdateFinishedTrialError):
        if number not in {one.number for one in of_state(found, TrialState.FAIL)}:
            raise
        tell(f"trial {number}: given up by another worker, as it had not been heard of; it is tried again")


def _accuracy(tried: Recipe, wanted: Search, trial: Trial) -> float:
    """The validation accuracy that settings end with; TrialPruned where they fall behind or diverge."""

    def epoch_ended(epoch: Epoch, _: int) -> None:
        trial.report(epoch.validation_accuracy, epoch.epoch)
        if trial.should_prune():
            raise optuna.TrialPruned

    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder) / "trial.ckpt"
        try:
            trained = loop.train(
                tried, wanted.model, wanted.training, wanted.validation, checkpoint, on_epoch=epoch_ended
            )
        except DivergedError as error:  # bad settings, not a broken search
            raise optuna.TrialPruned from error
    return trained.history[-1].validation_accuracy


def line_of(found: optuna.Study, trial: FrozenTrial) -> str:
    """What is told of an ended trial."""
    if trial.state == TrialState.COMPLETE:
        return f"trial {trial.number}: validation accuracy {trial.value:.2%}, the best so far {found.best_value:.2%}"
    return f"trial {trial.number}: {trial.state.name.lower()} after {len(trial.intermediate_values)} epochs"


class _Surplus(Exception):
    """A trial that two workers both began, of which one is wanted."""


def _is_surplus(found: optuna.Study, number: int, trials: int) -> bool:
    """Whether enough were begun before a trial, or one of its own fixed settings; numbers are given out in order."""
    *others, one = sorted(found.get_trials(deepcopy=False), key=lambda trial: (trial.number == number, trial.number))
    before = [other for other in others if other.number < number and other.state != TrialState.FAIL]
    fixed = one.system_attrs.get(_FIXED)
    return len(before) >= trials or any(fixed and other.system_attrs.get(_FIXED) == fixed for other in before)


def _give_up_dead(found: optuna.Study) -> None:
    """Fail the trials of workers that are not heard of, and queue them again."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        optuna.storages.fail_stale_trials(found)
        again = RetryHeartbeatStaleTrialCallback(max_retry=storage.MAX_RETRIES)
    for one in of_state(found, TrialState.RUNNING):
        # Died before it could be heard of, or was begun by an older version.
        old = one.datetime_start and datetime.now() - one.datetime_start > timedelta(seconds=_SILENT_SECONDS)
        if old and _WORKER not in one.user_attrs:
            with suppress(ValueError, UpdateFinishedTrialError):  # another does so
                found.tell(one.number, state=TrialState.FAIL)
                again(found, one)


def of_state(found: optuna.Study, *states: TrialState) -> list[FrozenTrial]:
    """The study's trials, of whatever workers, that are in one of some states."""
    return found.get_trials(deepcopy=False, states=states)


def best(found: optuna.Study, base: Recipe, model: Name) -> Recipe:
    """The recipe, of this model alone, that the best trial trained by.

    Raises:
        TrainerError: if no trial came to its end.
    """
    if not found.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        raise TrainerError(f"study {found.study_name}: no trial came to its end; give more --trials")
    return settled(base, model, FixedTrial(found.best_params))


def settled(base: Recipe, model: Name, trial: BaseTrial) -> Recipe:
    """The recipe, of this model alone, with the settings of a trial, to three digits."""
    table = base.model_dump(mode="json", exclude={"vote"})
    settings = base.models[model]
    for key, (low, high) in _ranges(settings).items():
        changed = table["models"][model]
        *path, last = key.split(".")
        for step in path:
            changed = changed[step]
        logarithmic = key in ("optimiser.learning_rate", "optimiser.weight_decay")
        changed[last] = float(f"{trial.suggest_float(key, low, high, log=logarithmic):.3g}")
    table["models"][model]["batch_size"] = trial.suggest_categorical("batch_size", _sizes(settings.batch_size))
    table["models"] = {model: table["models"][model]}
    table["name"] = f"{base.name[:58]}-tuned"
    return recipe.check(table, f"study of {base.name}")


def _sizes(size: int) -> list[int]:
    """The batch sizes tried: half the recipe's, its own and twice that, as far as a recipe may have them."""
    return sorted({max(2, size // 2), size, min(recipe.MAX_BATCH, size * 2)})


def _ranges(settings: ModelRecipe) -> dict[str, tuple[float, float]]:
    """The lowest and highest value tried of each key."""
    rate = settings.optimiser.learning_rate
    ranges = {"optimiser.learning_rate": (rate / 10, min(10.0, rate * 10)), "optimiser.weight_decay": (1e-4, 0.3)}
    ranges["loss.label_smoothing"] = (0.0, 0.2)
    if hasattr(settings.architecture, "dropout"):
        ranges["architecture.dropout"] = (0.0, 0.5)
    for name, strongest in _DISTORTIONS.items():
        ranges[f"augmentation.{name}"] = (0.0, max(strongest, getattr(settings.augmentation, name)))
    return ranges


def _start(settings: ModelRecipe) -> dict[str, Any]:
    """The recipe's own values, moved into what is tried."""
    table = settings.model_dump(mode="json")
    values: dict[str, Any] = {"batch_size": settings.batch_size}
    for key, (low, high) in _ranges(settings).items():
        value: Any = table
        for step in key.split("."):
            value = value[step]
        values[key] = min(high, max(low, value))
    return values
