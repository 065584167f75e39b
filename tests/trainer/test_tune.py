"""The search for better settings."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import optuna
import pytest
import torch
from optuna.trial import Trial, TrialState

from tests.trainer.conftest import OTHER, ROOT, TINY, cli, environment
from tests.waiting import until
from trainer import loop, mnist, recipe, sampling, storage, tune
from trainer.data import Examples
from trainer.errors import TrainerError


@pytest.fixture
def short(tmp_path: Path) -> Path:
    """The tiny recipe with two epochs of its MLP and a target that all reach."""
    path = tmp_path / "short.toml"
    text = TINY.read_text().replace('name = "tiny"', 'name = "short"')
    path.write_text(text.replace("epochs = 8", "epochs = 2").replace("target = 0.5", "target = 0"))
    return path


def _arguments(folder: Path, trials: int) -> list[str]:
    places = ["--storage", f"sqlite:///{folder}/tune.db", "--out", str(folder / "tuned.toml")]
    return ["tune", "--model", "mlp", "--recipe", str(folder / "short.toml"), "--trials", str(trials), *OTHER, *places]


def _study(folder: Path) -> optuna.Study:
    return optuna.load_study(study_name="short-mlp", storage=f"sqlite:///{folder}/tune.db")


def _training(base: recipe.Recipe) -> Examples:
    training, _, _ = sampling.split(mnist.load(Path(OTHER[1]), other=True), base, torch.device("cpu"))
    return training


def test_tune(short: Path, tmp_path: Path) -> None:
    """Two processes go on with one study, and end in a recipe that trains to the figure it was chosen by."""
    base = recipe.read(str(short))
    small = mnist.load(Path(OTHER[1]), other=True)
    training, validation, _ = sampling.split(small, base, torch.device("cpu"))
    told: list[str] = []
    wanted = tune.Search(base, "mlp", training, validation, 1)
    tune.search(tune.study(wanted, "short-mlp", f"sqlite:///{tmp_path}/tune.db"), wanted, told.append)
    first = _study(tmp_path).trials[0]
    own = base.models["mlp"]
    assert len(told) == 1
    assert first.params["optimiser.learning_rate"] == own.optimiser.learning_rate
    assert first.params["augmentation.elastic"] == own.augmentation.elastic

    command = [sys.executable, "-W", "error", "-m", "trainer", *_arguments(tmp_path, 4)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    workers = [
        subprocess.Popen(command, cwd=ROOT, env=environment(), text=True, **pipes)  # type: ignore[call-overload]
        for _ in range(2)
    ]
    outputs = [worker.communicate(timeout=120) for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], outputs
    assert all(f"wrote {tmp_path / 'tuned.toml'}; python -m trainer train" in out for out, _ in outputs)
    study = _study(tmp_path)
    ended = study.get_trials(states=tune.ENDED)
    assert len(ended) == 4
    assert study.trials[0].params == first.params

    tuned = recipe.read(str(tmp_path / "tuned.toml"))
    assert list(tuned.models) == ["mlp"]
    trained = loop.train(tuned, "mlp", training, validation, tmp_path / "mlp.ckpt")
    assert trained.history[-1].validation_accuracy == study.best_value


@pytest.mark.filterwarnings("ignore:Heartbeat of storage")  # which is for trials that this test does not begin
def test_behind_is_pruned(short: Path, tmp_path: Path) -> None:
    """A trial that is behind after an epoch is stopped, and counts as ended."""
    base = recipe.read(str(short))
    training = _training(base)
    wanted = tune.Search(base, "mlp", training, training, 6)
    study = tune.study(wanted, "short-mlp", f"sqlite:///{tmp_path}/tune.db")
    for _ in range(6):
        trial = study.ask()
        tune.settled(base, "mlp", trial)
        for epoch in (1, 2):
            trial.report(0.9, epoch)
        study.tell(trial, 0.9)
    trial = study.ask()
    trial.report(0.1, 2)
    assert trial.should_prune()
    study.tell(trial, state=TrialState.PRUNED)
    assert len(study.get_trials(states=tune.ENDED)) == 7
    assert set(tune.best(study, base, "mlp").models) == {"mlp"}


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[recipe.Recipe]:
    """What was trained by, where nothing is: each trial ends at 0.9."""
    tried: list[recipe.Recipe] = []

    def train(settings: recipe.Recipe, *_: object, **__: object) -> SimpleNamespace:
        tried.append(settings)
        return SimpleNamespace(history=[SimpleNamespace(validation_accuracy=0.9)])

    monkeypatch.setattr(loop, "train", train)
    return tried


def test_interrupted_start(
    short: Path, tmp_path: Path, trained: list[recipe.Recipe], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The recipe's own settings are tried again where their trial was stopped, and only once where it ended."""
    base = recipe.read(str(short))
    training = _training(base)

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    def go_on(trials: int) -> optuna.Study:
        wanted = tune.Search(base, "mlp", training, training, trials)
        study = tune.study(wanted, "short-mlp", f"sqlite:///{tmp_path}/tune.db")
        tune.search(study, wanted, lambda _: None)
        return study

    with monkeypatch.context() as patch:
        patch.setattr(loop, "train", interrupted)
        with pytest.raises(KeyboardInterrupt):
            go_on(1)
    go_on(1)
    study = go_on(3)
    assert [trial.state.name for trial in study.trials] == ["FAIL", "COMPLETE", "COMPLETE", "COMPLETE"]
    rates = [one.models["mlp"].optimiser.learning_rate for one in trained]
    assert [rate == base.models["mlp"].optimiser.learning_rate for rate in rates] == [True, False, False]


@pytest.mark.filterwarnings("ignore:Heartbeat of storage:UserWarning")  # which here is the test's own
def test_settings_that_end_their_worker_are_given_up(short: Path, tmp_path: Path, trained: list[recipe.Recipe]) -> None:
    """Settings are tried four times where each worker is lost in them; then others are, and the study ends."""
    base = recipe.read(str(short))
    training = _training(base)
    wanted = tune.Search(base, "mlp", training, training, 2, patience=1)
    url = f"sqlite:///{tmp_path}/tune.db"
    study, kept = tune.study(wanted, "short-mlp", url), storage.connect(url, wanted.patience)
    for lost in range(storage.MAX_RETRIES + 1):
        trial = study.ask()
        assert trial.number == lost
        tune.settled(base, "mlp", trial)
        kept.record_heartbeat(trial._trial_id)  # by a worker of which no more is heard
        until(lambda: bool(kept._get_stale_trial_ids(study._study_id)))
        tune._give_up_dead(study)
    first, *others = tune.of_state(study, TrialState.FAIL)
    assert len(others) == storage.MAX_RETRIES
    assert {tuple(one.params.items()) for one in others} == {tuple(first.params.items())}
    assert not tune.of_state(study, TrialState.WAITING)
    study = tune.study(wanted, "short-mlp", url)
    assert not tune.of_state(study, TrialState.WAITING), "nor does another start queue them"
    tune.search(study, wanted, lambda _: None)
    assert len(trained) == 2


def test_same_search_again(short: Path, tmp_path: Path, trained: list[recipe.Recipe]) -> None:
    """One process alone tries the same again, beyond the first random trials too; no trial draws what another drew."""
    base = recipe.read(str(short))
    training = _training(base)
    wanted = tune.Search(base, "mlp", training, training, 14)
    for name in ("once", "again"):
        study = tune.study(wanted, name, f"sqlite:///{tmp_path}/{name}.db")
        tune.search(study, wanted, lambda _: None)
    assert trained[:14] == trained[14:]
    assert len({one.models["mlp"].optimiser.learning_rate for one in trained}) == 14


@pytest.mark.parametrize(("size", "tried"), [(2, [2, 4]), (20, [10, 20, 40]), (60_000, [30_000, 60_000])])
def test_batch_sizes(short: Path, size: int, tried: list[int]) -> None:
    """Half the batch and twice it are tried, as far as a recipe may have them."""
    table = recipe.read(str(short)).model_dump()
    table["models"]["mlp"]["batch_size"] = size
    base = recipe.check(table, "test")
    found = {
        tune.settled(base, "mlp", trial).models["mlp"].batch_size for trial in (_asked(seed) for seed in range(20))
    }
    assert sorted(found) == tried


def _asked(seed: int) -> Trial:
    return optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed)).ask()


class _Infinite(Examples):
    def batch(self, index: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        pictures, labels = super().batch(index)
        return pictures * torch.inf, labels


def test_diverged_is_pruned(short: Path, tmp_path: Path) -> None:
    """A trial whose loss is no number is pruned, and counts as ended."""
    base = recipe.read(str(short))
    training, validation, _ = sampling.split(mnist.load(Path(OTHER[1]), other=True), base, torch.device("cpu"))
    infinite = _Infinite(training.pictures, training.labels)
    wanted = tune.Search(base, "mlp", infinite, validation, 1)
    study = tune.study(wanted, "short-mlp", f"sqlite:///{tmp_path}/tune.db")
    told: list[str] = []
    tune.search(study, wanted, told.append)
    assert told == ["trial 0: pruned after 0 epochs"]
    assert len(study.get_trials(states=tune.ENDED)) == 1


def test_refused(short: Path, tmp_path: Path) -> None:
    """A study of another recipe, a storage that is none and a model that the recipe lacks are bad input."""
    base = recipe.read(str(short))
    training = _training(base)
    storage = f"sqlite:///{tmp_path}/tune.db"
    wanted = tune.Search(base, "mlp", training, training, 1)
    tune.study(wanted, "mine", storage)
    with pytest.raises(
        TrainerError, match=r"study mine in .* is of another recipe or other data; give another --study"
    ):
        tune.study(replace(wanted, model="cnn"), "mine", storage)
    with pytest.raises(TrainerError, match="--storage nonsense: "):
        tune.study(wanted, "mine", "nonsense")
    with pytest.raises(TrainerError, match="no trial came to its end"):
        tune.best(tune.study(wanted, "empty", storage), base, "mlp")
    done = cli("tune", "--model", "resnet", "--recipe", short, *OTHER)
    assert done.returncode == 2
    assert "--model resnet: recipe short has lenet5, mlp, cnn" in done.stderr


def test_of_an_older_version(
    short: Path, tmp_path: Path, trained: list[recipe.Recipe], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A trial whose worker died before it was ever heard of, as an older version's, is tried again, not waited for."""
    monkeypatch.setattr(tune, "_SILENT_SECONDS", 0)
    training = _training(base := recipe.read(str(short)))
    wanted = tune.Search(base, "mlp", training, training, 1)
    study = tune.study(wanted, "short-mlp", f"sqlite:///{tmp_path}/tune.db")
    with pytest.warns(UserWarning, match="Heartbeat of storage"):
        study.ask()
    tune.search(study, wanted, lambda _: None)
    assert [trial.state.name for trial in study.trials] == ["FAIL", "COMPLETE"]
    rates = [one.models["mlp"].optimiser.learning_rate for one in trained]
    assert rates == [base.models["mlp"].optimiser.learning_rate]


def test_ray_needs_a_shared_storage(short: Path) -> None:
    """A cluster is given no file of one machine as a storage."""
    done = cli("tune", "--model", "mlp", "--recipe", short, *OTHER, "--ray", "local")
    assert done.returncode == 2
    assert "--ray: give a --storage that all nodes reach" in done.stderr


@pytest.mark.parametrize("name", recipe.shipped())
def test_written_recipe(name: str, tmp_path: Path) -> None:
    """A recipe written as TOML is read back as it was."""
    path = tmp_path / "again.toml"
    path.write_text(recipe.dump(recipe.read(name)))
    assert recipe.read(str(path)) == recipe.read(name)
