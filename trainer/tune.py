"""The search for better settings of one model of a recipe, by Optuna: resumable, by several processes at once."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
from optuna.samplers import TPESampler
from optuna.storages import BaseStorage, RDBStorage
from optuna.trial import BaseTrial, FixedTrial, FrozenTrial, Trial, TrialState
from sqlalchemy.exc import OperationalError

from trainer import loop, recipe
from trainer.data import Examples
from trainer.errors import DivergedError, TrainerError
from trainer.loop import Epoch
from trainer.recipe import ModelRecipe, Name, Recipe

ENDED = (TrialState.COMPLETE, TrialState.PRUNED)
_WAIT_SECONDS = 60  # of one process for another that writes

# The largest strength of each distortion that is tried, or the recipe's own where that is larger. `stroke` to `specks`
# are not tried: validation digits are clean, so by them the best is always none.
_DISTORTIONS = {"rotation": 20.0, "scaling": 0.3, "shift": 3.0, "shear": 15.0, "elastic": 1.5}


def study(base: Recipe, model: Name, training: Examples, name: str, storage: str) -> optuna.Study:
    """The study of a name, new or gone on with; the recipe as it stands is the first to be tried.

    Raises:
        TrainerError: if the model has a teacher, the study is of another recipe or of other data, or the storage
            cannot be opened.
    """
    if base.models[model].teacher:
        raise TrainerError(f"recipe: models.{model}.teacher: tune searches without one; leave it out meanwhile")
    optuna.logging.set_verbosity(optuna.logging.ERROR)  # Ctrl-C is no failure to print a stack of
    found = optuna.create_study(
        storage=_storage(storage),
        study_name=name,
        direction="maximize",
        pruner=optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=1),
        load_if_exists=True,
    )
    identity = loop.identity(base, model, training)
    if found.user_attrs.setdefault("identity", identity) != identity:
        raise TrainerError(f"study {name} in {storage} is of another recipe or other data; give another --study")
    found.set_user_attr("identity", identity)
    start = _start(base.models[model])
    tried = (one for one in found.get_trials(deepcopy=False) if one.state != TrialState.FAIL)
    if all(one.system_attrs.get("fixed_params") != start for one in tried):  # skip_if_exists would count failed ones
        found.enqueue_trial(start)
    return found


def _storage(url: str) -> BaseStorage:
    if url.startswith("sqlite:///"):
        Path(url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    for patience in (5, 4, 3, 2, 1, 0):
        try:
            wait = {"connect_args": {"timeout": _WAIT_SECONDS}} if url.startswith("sqlite") else {}
            return RDBStorage(url, engine_kwargs=wait)
        except OperationalError as error:  # two processes that both make the tables, too
            if not patience:
                raise TrainerError(f"--storage {url}: {str(error.orig).splitlines()[0]}") from error
            time.sleep(0.5)
        except Exception as error:  # SQLAlchemy raises many kinds for an address that is none
            raise TrainerError(f"--storage {url}: {str(error).splitlines()[0]}") from error
    raise AssertionError


def search(
    found: optuna.Study,
    base: Recipe,
    model: Name,
    training: Examples,
    validation: Examples,
    trials: int,
    tell: Callable[[str], None],
) -> None:
    """Try settings until the study, of whatever processes, has so many ended trials."""

    def objective(trial: Trial) -> float:
        # By the trial's number: the same search draws the same again, and no two of several processes draw alike.
        found.sampler = TPESampler(seed=base.seed + trial.number, constant_liar=True)
        tried = settled(base, model, trial)

        def epoch_ended(epoch: Epoch, _: int) -> None:
            trial.report(epoch.validation_accuracy, epoch.epoch)
            if trial.should_prune():
                raise optuna.TrialPruned

        with tempfile.TemporaryDirectory() as folder:
            checkpoint = Path(folder) / "trial.ckpt"
            try:
                trained = loop.train(tried, model, training, validation, checkpoint, on_epoch=epoch_ended)
            except DivergedError as error:  # bad settings, not a broken search
                raise optuna.TrialPruned from error
        return trained.history[-1].validation_accuracy

    def ended(study: optuna.Study, trial: FrozenTrial) -> None:
        if trial.state == TrialState.COMPLETE:
            tell(f"trial {trial.number}: validation accuracy {trial.value:.2%}, the best so far {study.best_value:.2%}")
        else:
            tell(f"trial {trial.number}: {trial.state.name.lower()} after {len(trial.intermediate_values)} epochs")
        if _count(study) >= trials:
            study.stop()

    if _count(found) < trials:
        found.optimize(objective, callbacks=[ended])


def _count(found: optuna.Study) -> int:
    return len(found.get_trials(deepcopy=False, states=ENDED))


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
