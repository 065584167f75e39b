import json
import re
import shutil
import sqlite3
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner, Result

from registry import store
from registry.feedback import Store
from registry.open import open_version
from registry.versions import at
from tests import objectstore
from tests.feedback import fill, sevens
from tests.trainer.conftest import DATA, OTHER, TinyRun
from trainer import evaluate, mnist, recipe, sources
from trainer.__main__ import app
from trainer.errors import TrainerError
from trainer.finetune.admission import Change, Judged
from trainer.finetune.start import begin, feedback_of
from trainer.mnist import Mnist
from trainer.recipe import Recipe
from trainer.sources import feedback

SHORT = """\
name = "short"
validation = 100

[finetune]
repeat = 2
least = 10

[models.mlp]
target = 0
epochs = 2
batch_size = 20
ema = 0.9
architecture = { kind = "published" }
optimiser = { name = "adamw", learning_rate = 0.0001 }
"""


@pytest.fixture(scope="module")
def digits() -> Mnist:
    """The tests' own data."""
    return mnist.load(DATA, other=True)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of sixty sevens. Not to be changed by tests."""
    return fill(tmp_path_factory.mktemp("store") / "feedback.db", sevens(60, 1), [7] * 60)


@pytest.fixture
def short(tmp_path: Path) -> Path:
    """A recipe that fine-tunes the tiny run's MLP."""
    (tmp_path / "short.toml").write_text(SHORT)
    return tmp_path / "short.toml"


@pytest.fixture
def artifacts(tiny_run: TinyRun, tmp_path: Path) -> Path:
    """A copy of the tiny run's versions."""
    shutil.copytree(tiny_run.artifacts, tmp_path / "artifacts")
    return tmp_path / "artifacts"


def run(*arguments: object) -> Result:
    """The command line, in this process: importing torch anew would take longer than the training."""
    try:
        return CliRunner().invoke(app, [str(word) for word in arguments])
    finally:
        torch.set_flush_denormal(False)


def checked(text: str = SHORT) -> Recipe:
    return recipe.check(tomllib.loads(text), "short.toml")


def test_a_picture_counts_once_and_only_if_its_labels_agree(tmp_path: Path) -> None:
    """Repeated pictures are one, those with different labels none; the digest does not depend on their order."""
    pictures = sevens(6, 3)
    shown = [*pictures, pictures[0], pictures[1]]
    cleaned = feedback.clean(fill(tmp_path / "one.db", shown, [7, 7, 7, 7, 7, 1, 7, 3]))
    assert (len(cleaned.digits), cleaned.answers, cleaned.repeated, cleaned.disputed) == (5, 8, 2, 1)
    assert str(cleaned) == (
        "feedback: 5 digits in 8 answers; left out: 2 of a picture that is there already, 1 pictures with different "
        "labels"
    )
    backwards = [*pictures[::-1], pictures[1]]
    assert feedback.clean(fill(tmp_path / "other.db", backwards, [1, 7, 7, 7, 7, 7, 3])).sha256 == cleaned.sha256
    assert feedback.clean(fill(tmp_path / "third.db", pictures, [7] * 6)).sha256 != cleaned.sha256


def test_a_picture_never_changes_sides(tmp_path: Path) -> None:
    """What is held out of a few stays so among more, and of a smaller share none is learnt that a larger holds out."""
    few = feedback.split(feedback.clean(fill(tmp_path / "few.db", sevens(40, 5), [7] * 40)).digits, 0.3)
    more = feedback.clean(fill(tmp_path / "few.db", sevens(80, 6), [7] * 80, first=40)).digits
    parts = [{picture.tobytes() for picture in part.pictures} for part in (*few, *feedback.split(more, 0.3))]
    learnt, held, learnt_of_more, held_of_more = parts
    assert learnt < learnt_of_more
    assert held < held_of_more
    assert not learnt_of_more & held_of_more
    assert 20 < len(held_of_more) < 52
    assert held_of_more < {picture.tobytes() for picture in feedback.split(more, 0.6)[1].pictures}


def test_what_mnist_holds_is_not_learnt_again(tiny_run: TinyRun, digits: Mnist, tmp_path: Path) -> None:
    """Test digits that come back as feedback are never trained on, and training digits are there already."""
    shown = [*digits.test_pictures[:30], *digits.training_pictures[:10], *sevens(60, 1)]
    labels = [*digits.test_labels[:30], *digits.training_labels[:10], *[7] * 60]
    start = begin(checked(), ["mlp"], tiny_run.artifacts, fill(tmp_path / "feedback.db", shown, labels), digits)
    assert start is not None
    assert "40 of which are in the other data" in start.notes[0]
    assert len(start.training) + len(start.held) == 60
    theirs = {picture.tobytes() for picture in digits.test_pictures}
    assert not theirs & {picture.tobytes() for picture in (*start.training.pictures, *start.held.pictures)}


def test_a_start_is_the_newest_version_with_its_batch_norms_folded(
    tiny_run: TinyRun, digits: Mnist, path: Path
) -> None:
    """Its network gives the version's own logits, and the recipe says what it starts from."""
    start = begin(checked(), ["mlp"], tiny_run.artifacts, path, digits)
    assert start is not None
    base = open_version(tiny_run.artifacts, "mlp", 1)
    network = start.network("mlp")
    assert not [layer for layer in network.modules() if isinstance(layer, torch.nn.BatchNorm1d)]
    with torch.inference_mode():
        logits = network(torch.from_numpy(evaluate.scaled(digits.test_pictures))).numpy()
    np.testing.assert_allclose(logits, evaluate.logits(base.model, digits.test_pictures), atol=1e-4)
    settings = start.recipe.finetune
    assert settings is not None
    assert settings.base == {"mlp": base.manifest.sha256}
    assert (settings.digits, settings.sha256) == (60, feedback.clean(path).sha256)
    assert start.recipe.models["mlp"].architecture.kind == "mlp"
    assert len(start.examples(torch.device("cpu"))) == 2 * len(start.training)


def test_what_cannot_be_started_from_is_told(tiny_run: TinyRun, digits: Mnist, path: Path, tmp_path: Path) -> None:
    """Each thing that is missing, too little, or another than the recipe says is one line that names it."""
    few = fill(tmp_path / "few.db", sevens(12, 2), [7] * 12)
    other = SHORT.replace('{ kind = "published" }', '{ kind = "mlp", widths = [32] }')
    unlike = SHORT.replace("[finetune]", f'[finetune]\nsha256 = "{"0" * 64}"\ndigits = 9')
    gone = SHORT.replace("[finetune]", f'[finetune]\nbase = {{ mlp = "{"1" * 64}" }}')
    empty = tmp_path / "empty.db"
    Store(empty).close()
    for text, artifacts, place, words in (
        (SHORT, tiny_run.artifacts, None, "recipe short: learns from feedback: give --data feedback:FILE"),
        (SHORT, tiny_run.artifacts, tmp_path / "none.db", r"none\.db: no such file; a service with DIGITVOTE_FEEDBACK"),
        (SHORT, tiny_run.artifacts, tmp_path, r"is a folder; give the file that DIGITVOTE_FEEDBACK names"),
        (SHORT, tiny_run.artifacts, few, r"digits to learn and \d+ to judge by are too few.*finetune\.least is 10"),
        (SHORT, tiny_run.artifacts, empty, "0 digits to learn and 0 to judge by are too few"),
        (SHORT, tmp_path / "nowhere", path, "nowhere: holds no version of mlp to start from"),
        (other, tiny_run.artifacts, path, r"models\.mlp\.architecture: mlp 1 has another"),
        (unlike, tiny_run.artifacts, path, r"other feedback than the 9 digits.*service feedback export"),
        (gone, tiny_run.artifacts, path, "holds no version with a model.pt of sha256 1111"),
    ):
        with pytest.raises(TrainerError, match=words):
            begin(checked(text), ["mlp"], artifacts, place, digits)
    assert begin(recipe.read("quick"), ["mlp"], tiny_run.artifacts, None, digits) is None
    with pytest.raises(TrainerError, match="2 stores of feedback"):
        feedback_of(["feedback:a", "mnist", "feedback:b"])
    assert feedback_of(["feedback:a", "mnist"]) == (["mnist"], Path("a"))


def test_a_store_with_what_is_no_digit_is_refused(path: Path, tmp_path: Path) -> None:
    """A picture of another size, a label that is none, another file and another schema are told, with its name."""
    wrong = tmp_path / "wrong.db"
    for change, words in {
        "UPDATE feedback SET truth = 12 WHERE request_id = 'r3'": r"r3: 784 bytes labelled 12, not 784 labelled 0 to 9",
        "UPDATE feedback SET picture = x'00' WHERE request_id = 'r4'": "r4: 1 bytes labelled 7",
        "PRAGMA user_version = 2": "a store of schema 2, this release's is 1",
        "PRAGMA application_id = 1": "another program's SQLite file",
    }.items():
        shutil.copy(path, wrong)
        base = sqlite3.connect(wrong, isolation_level=None)
        base.execute("PRAGMA ignore_check_constraints = ON")
        base.execute(change)
        base.close()
        with pytest.raises(TrainerError, match=rf"wrong\.db: {words}"):
            feedback.clean(wrong)
    wrong.write_text("text" * 1000)
    with pytest.raises(TrainerError, match=r"wrong\.db: not a store of feedback"):
        feedback.clean(wrong)


def test_feedback_is_a_kind_of_data_too(path: Path) -> None:
    """Joined to other data by --data, its held-out part is measured beside the test set and the rest trained on."""
    joined = sources.load([f"mnist:{DATA}", f"feedback:{path}"], other=True, say=lambda _: None)
    (held,) = joined.further
    assert held.source == "feedback:feedback.db"
    assert len(joined.training_labels) + len(held.labels) == 400 + 60
    assert joined.sha256["feedback.db"] == feedback.clean(path).sha256


def test_a_published_architecture_is_of_a_fine_tuning_alone() -> None:
    """Other recipes must say what is built, and nothing can be built of it without a version."""
    with pytest.raises(TrainerError, match="published is no kind of mlp"):
        checked(SHORT.replace("[finetune]\nrepeat = 2\nleast = 10\n", ""))
    with pytest.raises(TrainerError, match="of a published version"):
        checked().models["mlp"].architecture.build()


def test_worse_models_are_refused_with_by_how_much() -> None:
    """Worse on MNIST beyond chance, or on the feedback held out at all, is not admitted; within chance it is."""
    right = np.ones(1000, bool)
    much, little = right.copy(), right.copy()
    much[:30], little[:3] = False, False
    same, lost = Change.of(right, right), Change.of(right[:50], little[:50])
    assert Judged("cnn", 1, Change.of(right, little), same).refused is None
    assert Judged("cnn", 1, Change.of(little, right), same).refused is None
    refused = Judged("cnn", 1, Change.of(right, much), lost).refused
    assert refused == (
        "cnn: is worse on MNIST's test set, beyond chance: 100.00% before, 97.00% after (of 1,000: 30 lost, 0 gained, "
        "p = 1.86e-09); is worse on the feedback held out: 100.00% before, 94.00% after (of 50: 3 lost, 0 gained, "
        "p = 0.25)"
    )


def test_small_steps_do_not_add_up() -> None:
    """What is within chance of the version before, but beyond it of the last that no fine-tuning made, is refused."""
    right = np.ones(1000, bool)
    before, after = right.copy(), right.copy()
    before[:5], after[:8] = False, False
    same, step, all_steps = Change.of(right[:50], right[:50]), Change.of(before, after), Change.of(right, after)
    assert Judged("cnn", 3, step, same).refused is None
    assert Judged("cnn", 3, step, same, (2, Change.of(before, after))).refused is None
    judged = Judged("cnn", 3, step, same, (1, all_steps))
    assert judged.refused == (
        "cnn: is worse on MNIST's test set than version 1, which no fine-tuning made, beyond chance: 100.00% before, "
        "99.20% after (of 1,000: 8 lost, 0 gained, p = 0.00781)"
    )
    assert "from version 1: 100.00% before, 99.20% after" in judged.lines()[1]
    assert judged.report()["origin"] == {"version": 1, "test": judged.report()["origin"]["test"]}


def test_sevens_are_learnt_published_and_learnt_again_to_the_bit(artifacts: Path, short: Path, path: Path) -> None:
    """The command publishes a next version that says what it came from; `reproduce` comes to the same answers."""
    places = ("--artifacts", artifacts, "--runs", short.parent / "runs")
    given = (*OTHER, "--data", f"feedback:{path}")
    done = run("train", "--recipe", short, *given, *places)
    assert done.exit_code == 0, done.stderr
    told = re.sub(r"\s+", " ", done.stdout)
    assert re.search(r"feedback: 60 digits in 60 answers: \d+ to learn, \d+ to judge by", told)
    assert re.search(r"mlp feedback held out: .*% before, .*% after", told)
    assert store.versions(artifacts, "mlp") == [1, 2]
    first, second = (store.manifest(artifacts, "mlp", number) for number in (1, 2))
    assert second.recipe["finetune"]["base"] == {"mlp": first.sha256}
    assert second.recipe["models"]["mlp"]["architecture"] == first.recipe["models"]["mlp"]["architecture"]
    assert {file.name: file.sha256 for file in second.data}["feedback"] == feedback.clean(path).sha256
    report = json.loads((artifacts / "mlp" / "2" / "report" / "metrics.json").read_text())
    assert report["finetune"]["feedback"]["after"] >= report["finetune"]["feedback"]["before"]
    served = report["finetune"]["served"]
    assert served["models"] == ["mlp (new)", "cnn 1", "lenet5 1"]
    assert served["feedback"]["examples"] == report["finetune"]["feedback"]["examples"]
    assert "the weighted vote that will be served, of mlp (new), cnn 1, lenet5 1: vote MNIST's test set: " in told
    again = run("reproduce", artifacts / "mlp" / "2", *given, "--runs", short.parent / "again")
    assert again.exit_code == 0, again.stderr
    assert "the same answers, bit for bit" in re.sub(r"\s+", " ", again.stdout)
    without = run("reproduce", artifacts / "mlp" / "2", *OTHER, "--runs", short.parent / "again")
    assert (without.exit_code, without.stderr) == (
        2, "error: recipe short: learns from feedback: give --data feedback:FILE\n"
    )  # fmt: skip


def test_versions_on_an_object_store_are_started_from_and_found_again(
    tiny_run: TinyRun, short: Path, path: Path
) -> None:
    """There the command starts from the newest, and `reproduce` finds what that was, or says that it is gone."""
    address = objectstore.bucket("memory")
    objectstore.copy(address, tiny_run.artifacts)
    given = (*OTHER, "--data", f"feedback:{path}")
    for number, rate in ((1, "0.0001"), (2, "0.0000001")):  # the second changes next to nothing, so it is admitted too
        short.write_text(SHORT.replace("0.0001", rate))
        runs = short.parent / f"runs-{number}"
        done = run("train", "--recipe", short, *given, "--artifacts", address, "--runs", runs)
        assert done.exit_code == 0, done.stderr
        base, tuned = (at(address).manifest("mlp", each) for each in (number, number + 1))
        assert tuned.recipe["finetune"]["base"] == {"mlp": base.sha256}
    again = run("reproduce", address.below("mlp", 3), *given, "--runs", short.parent / "again")
    assert again.exit_code == 0, again.stderr
    assert "the same answers, bit for bit" in re.sub(r"\s+", " ", again.stdout)
    objectstore.remove(address, "mlp", 2)
    gone = run("reproduce", address.below("mlp", 3), *given, "--runs", short.parent / "gone")
    assert gone.exit_code == 2
    assert gone.stderr.startswith(f"error: {address}: holds no version with a model.pt of sha256 {base.sha256}")


def test_each_round_is_held_against_what_no_fine_tuning_made(
    artifacts: Path, short: Path, path: Path, digits: Mnist
) -> None:
    """A third version is judged by the second and the first; where that is gone a note says by which instead."""
    for rate in ("0.0001", "0.0000001"):  # the second changes next to nothing: no round adds up beyond chance here
        short.write_text(SHORT.replace("0.0001", rate))
        done = run(
            "train", "--recipe", short, *OTHER, "--data", f"feedback:{path}",
            "--artifacts", artifacts, "--runs", short.parent / "runs",
        )  # fmt: skip
        assert done.exit_code == 0, done.stderr
    told = re.sub(r"\s+", " ", done.stdout)
    for version in (2, 1):
        assert f"mlp MNIST's test set, from version {version}: " in told
    report = json.loads((artifacts / "mlp" / "3" / "report" / "metrics.json").read_text())["finetune"]
    assert (report["base"], report["origin"]["version"]) == (2, 1)
    sha256 = store.manifest(artifacts, "mlp", 1).sha256
    shutil.rmtree(artifacts / "mlp" / "1")
    start = begin(checked(), ["mlp"], artifacts, path, digits)
    assert start is not None
    assert start.origins["mlp"].manifest.version == 2
    assert start.notes[1] == (
        f"mlp    version 3 comes from one of sha256 {sha256[:12]}…, which is not there any more: held against version "
        "2, the oldest"
    )


def test_only_what_is_no_worse_is_published(artifacts: Path, short: Path, path: Path) -> None:
    """Of two models one of which forgets what it knew the other is published; by how much is told, with status 1."""
    ruined = SHORT.partition("[models.mlp]")[2].replace("learning_rate = 0.0001", "learning_rate = 0.5")
    short.write_text(f"{SHORT}\n[models.lenet5]{ruined}")
    places = ("--artifacts", artifacts, "--runs", short.parent / "runs")
    done = run("train", "--recipe", short, *OTHER, "--data", f"feedback:{path}", *places)
    assert done.exit_code == 1, done.stdout
    assert done.stderr.startswith("error: lenet5: is worse on MNIST's test set")
    assert store.versions(artifacts, "mlp") == [1, 2]
    assert store.versions(artifacts, "lenet5") == [1]
    told = re.sub(r"\s+", " ", done.stdout)
    assert "the weighted vote that will be served, of mlp (new), lenet5 1, cnn 1:" in told


def test_a_version_that_saw_the_validation_pictures_is_told(tiny_run: TinyRun, digits: Mnist, path: Path) -> None:
    """Where the split is another than the version's, a line says how many validation pictures it was trained on."""
    other = checked(SHORT.replace("validation = 100", "seed = 2\nvalidation = 100"))
    start = begin(other, ["mlp"], tiny_run.artifacts, path, digits)
    assert start is not None
    assert re.search(r"mlp +starts from version 1, which was trained on \d+ of the 100 validation", start.notes[1])
    same = begin(checked(), ["mlp"], tiny_run.artifacts, path, digits)
    assert same is not None
    assert len(same.notes) == 1
