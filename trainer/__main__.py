"""The command line: `python -m trainer show|train|evaluate|compare|reproduce|tune|models`."""

import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from trainer.errors import TrainerError
from trainer.progress import Progress, say

app = typer.Typer(
    help="Train three models on MNIST and publish them as versions that the service loads.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Data = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR", help="Folder of MNIST's four files, plain or .gz. Without it they are fetched and cached."
    ),
]
OtherData = Annotated[bool, typer.Option("--allow-other-data", help="Take files in --data that are not MNIST's.")]
Artifacts = Annotated[Path, typer.Option(metavar="DIR", help="Where versions are published.")]
Threads = Annotated[int | None, typer.Option(min=1, metavar="N", help="CPU threads; torch chooses without it.")]
RecipeName = Annotated[
    str, typer.Option(metavar="NAME|FILE", help="A shipped recipe (quick, release, lenet5-1998, ...) or a file.")
]


@app.command()
def show(
    data: Data = None,
    allow_other_data: OtherData = False,
    recipe: RecipeName = "quick",
    out: Annotated[Path, typer.Option(metavar="FILE", help="Where the picture is written.")] = Path("digits.png"),
) -> None:
    """Look at the data: class counts, and a PNG of digits as they are above what a recipe trains on."""
    console = Console()
    with _clear_errors():
        from trainer import mnist
        from trainer import recipe as recipes
        from trainer import show as shown

        chosen = recipes.read(recipe)
        images = mnist.load(data, other=allow_other_data)
        counts = shown.counts(images, chosen)
        out.write_bytes(shown.grid(images, chosen))
        table = Table("label", *counts, box=None, pad_edge=False)
        for label in range(10):
            table.add_row(str(label), *(f"{part[label]:,}" for part in counts.values()))
        table.add_row("all", *(f"{part.sum():,}" for part in counts.values()))
        console.print(table)
        say(console, f"wrote {out}")


@app.command()
def train(
    recipe: RecipeName = "quick",
    model: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Only this model; may be repeated.")] = None,
    data: Data = None,
    allow_other_data: OtherData = False,
    artifacts: Artifacts = Path("artifacts"),
    runs: Annotated[Path, typer.Option(metavar="DIR", help="Where checkpoints are kept.")] = Path("runs"),
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the checkpoints of a run that was stopped.")
    ] = False,
    device: Annotated[str, typer.Option(metavar="cpu|cuda|auto", help="Where to train.")] = "auto",
    seed: Annotated[int | None, typer.Option(min=0, metavar="N", help="Instead of the recipe's.")] = None,
    threads: Threads = None,
    if_missing: Annotated[
        bool, typer.Option("--if-missing", help="Do nothing where every model already has a whole version.")
    ] = False,
) -> None:
    """Train a recipe's models and publish the next version of each, if all reach their targets.

    Exits with 1 if a target was missed (nothing is published then) and with 2 for bad input.
    """
    console = Console()
    with _clear_errors(resume_hint=f"from the last whole epoch with: python -m trainer {_again()}"):
        from trainer import job, mnist
        from trainer import recipe as recipes

        chosen = recipes.read(recipe, seed)
        names = _models(chosen, model)
        if if_missing and job.present(artifacts, names):
            say(console, f"{artifacts} already holds {', '.join(names)}: nothing to train")
            return
        place = _device(device, threads)
        images = mnist.load(data, other=allow_other_data)
        result = job.run(chosen, names, images, artifacts, runs, Progress(console), device=place, resume=resume)
        for manifest in result.manifests:
            say(console, f"published {artifacts / manifest.name / str(manifest.version)}")


@app.command()
def evaluate(
    versions: Annotated[
        list[str] | None,
        typer.Argument(metavar="[MODEL=VERSION]...", help="Which versions; the newest of each without."),
    ] = None,
    artifacts: Artifacts = Path("artifacts"),
    data: Data = None,
    allow_other_data: OtherData = False,
    vote: Annotated[
        bool, typer.Option("--vote", help="Also how the models disagree, and errors against coverage.")
    ] = False,
    corruptions: Annotated[bool, typer.Option("--corruptions", help="Also the accuracy on corrupted digits.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    threads: Threads = None,
) -> None:
    """Recompute the test figures of published versions from their model.pt: each alone, and their vote by each rule."""
    console = Console()
    with _clear_errors():
        from dataclasses import asdict

        from trainer import ensemble, mnist, published, robustness
        from trainer.robustness import Voter

        _device("cpu", threads)
        chosen = published.choose(artifacts, versions or [])
        if vote and len(chosen) < 2:
            raise TrainerError("--vote: one model alone has no vote; give several, or none for all")
        images = mnist.load(data, other=allow_other_data)
        asked = [published.answers(artifacts, *version, images) for version in chosen.items()]
        rows = published.evaluate(asked, images)
        more: dict[str, Any] = {}
        if vote:
            more |= asdict(ensemble.measure(asked, images.test_labels))
        if corruptions:
            voters = [Voter(one.name, one.model, one.manifest.temperature, one.manifest.weight) for one in asked]
            robust = robustness.measure(voters, "weighted", images.test_pictures, images.test_labels)
            more["corruptions"] = {**robust.voters, "vote: weighted": robust.vote}
        if as_json:
            figures: Any = [{"name": name, **metrics.model_dump()} for name, metrics in rows]
            sys.stdout.write(json.dumps({"figures": figures, **more} if more else figures, indent=2) + "\n")
            return
        console.print(_figures(rows))
        for name, draw in {"pairs": _pairs, "coverage": _coverage, "corruptions": _corruptions}.items():
            if name in more:
                console.print("", draw(more[name]), sep="\n")


@app.command()
def compare(
    first: Annotated[str, typer.Argument(metavar="MODEL=VERSION", help="Like cnn=1, or cnn for its newest.")],
    second: Annotated[str, typer.Argument(metavar="MODEL=VERSION", help="The version to hold it against.")],
    artifacts: Artifacts = Path("artifacts"),
    data: Data = None,
    allow_other_data: OtherData = False,
    out: Annotated[Path, typer.Option(metavar="FILE", help="Where the picture is written.")] = Path("differences.png"),
    threads: Threads = None,
) -> None:
    """Hold two versions against each other: figures, McNemar's test, and a PNG of the digits on which they differ."""
    console = Console()
    with _clear_errors():
        from trainer import compare as comparing
        from trainer import mnist, published

        _device("cpu", threads)
        chosen = [published.version(artifacts, word) for word in (first, second)]
        images = mnist.load(data, other=allow_other_data)
        one, other = (published.answers(artifacts, *version, images) for version in chosen)
        found = comparing.compare(one, other, images)
        out.write_bytes(comparing.differences(one, other, images))
        table = Table("", one.name, other.name, box=None, pad_edge=False)
        for name, values in comparing.side_by_side(one, other).items():
            table.add_row(name, *values)
        console.print(table)
        say(
            console,
            f"both right {found.both_right:,}; only {one.name} {found.only_first:,}; only {other.name} "
            f"{found.only_second:,}; both wrong {found.both_wrong:,}, {found.different_errors:,} of them differently",
        )
        verdict = "a difference" if found.p < 0.05 else "within chance"
        say(console, f"McNemar's exact test: p = {found.p:.3g}, {verdict} at the 5 % level")
        say(console, f"wrote {out}")


@app.command()
def reproduce(
    version: Annotated[Path, typer.Argument(metavar="FOLDER", help="A published version, like artifacts/cnn/1.")],
    artifacts: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where the new version is kept; nowhere without.")
    ] = None,
    runs: Annotated[Path, typer.Option(metavar="DIR", help="Where checkpoints are kept.")] = Path("runs/reproduce"),
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the checkpoint of a run that was stopped.")
    ] = False,
    data: Data = None,
    allow_other_data: OtherData = False,
    device: Annotated[str, typer.Option(metavar="cpu|cuda|auto", help="Where to train.")] = "cpu",
    threads: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="CPU threads; the version's without it.")
    ] = None,
) -> None:
    """Train a version again from its manifest, and say whether the figures agree; exits with 1 if they do not."""
    import tempfile

    console = Console()
    with (
        _clear_errors(resume_hint=f"from the last whole epoch with: python -m trainer {_again()}"),
        tempfile.TemporaryDirectory() as temporary,
    ):
        from trainer import compare as comparing
        from trainer import job, mnist, published
        from trainer import reproduce as again

        first = again.original(version)
        place = _device(device, threads or first.threads)
        images = mnist.load(data, other=allow_other_data)
        again.same_data(first, images)
        kept = artifacts or Path(temporary)
        done = job.run(first.recipe, [first.model], images, kept, runs, Progress(console), device=place, resume=resume)
        old = published.answers(first.root, first.model, first.manifest.version, images)
        new = published.answers(kept, first.model, done.manifests[0].version, images)
        table = Table("", "published", "again", box=None, pad_edge=False)
        for name, values in comparing.side_by_side(old, new).items():
            table.add_row(name, *values)
        console.print("", table, sep="\n")
        found = again.verdict(old, new, images)
        say(console, str(found))
        if artifacts:
            say(console, f"published {artifacts / new.manifest.name / str(new.manifest.version)}")
    if not found.agrees:
        raise typer.Exit(1)


@app.command()
def tune(
    model: Annotated[str, typer.Option(metavar="NAME", help="Which of the recipe's models.")],
    recipe: RecipeName = "quick",
    trials: Annotated[int, typer.Option(min=1, metavar="N", help="Ended trials the study shall have in all.")] = 30,
    storage: Annotated[str, typer.Option(metavar="URL", help="Where the study is kept.")] = "sqlite:///runs/tune.db",
    study: Annotated[
        str | None, typer.Option(metavar="NAME", help="The study's name; RECIPE-MODEL without it.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The recipe that comes out; RECIPE-MODEL-tuned.toml without it.")
    ] = None,
    data: Data = None,
    allow_other_data: OtherData = False,
    device: Annotated[str, typer.Option(metavar="cpu|cuda|auto", help="Where to train.")] = "auto",
    threads: Threads = None,
) -> None:
    """Search for better settings of one model, judged on validation; ends in a recipe file that trains.

    The same command goes on with a study that was stopped. Started several times at once, all work on one study.
    """
    console = Console()
    with _clear_errors(resume_hint=f"with: python -m trainer {_same()}"):
        from trainer import mnist, sampling
        from trainer import recipe as recipes

        try:
            from trainer import tune as tuning
        except ImportError as error:
            raise TrainerError(f"tune needs Optuna ({error}): pip install 'digitvote[tune]'") from error

        base = recipes.read(recipe)
        (name,) = _models(base, [model])
        place = _device(device, threads)
        images = mnist.load(data, other=allow_other_data)
        training, validation, _ = sampling.split(images, base, place)
        found = tuning.study(base, name, training, study or f"{base.name}-{name}", storage)
        tuning.search(found, base, name, training, validation, trials, lambda line: say(console, line))
        best = tuning.best(found, base, name)
        place_of_recipe = out or Path(f"{base.name}-{name}-tuned.toml")
        place_of_recipe.write_text(
            f"# python -m trainer train --recipe {place_of_recipe}\n"
            f"# The best of study {found.study_name}: validation accuracy {found.best_value:.2%}.\n{recipes.dump(best)}"
        )
        console.print(_trials(found, tuning.ENDED))
        say(console, f"wrote {place_of_recipe}; python -m trainer train --recipe {place_of_recipe}")


@app.command()
def models(artifacts: Artifacts = Path("artifacts")) -> None:
    """List what is published, with the figures of each manifest."""
    console = Console()
    with _clear_errors():
        from trainer import published

        manifests = published.manifests(artifacts)
        if not manifests:
            say(console, f"{artifacts} holds no version yet: python -m trainer train")
            return
        table = Table(
            "model", "version", "parameters", "validation", "test", "recipe", "created", box=None, pad_edge=False
        )
        for one in manifests:
            accuracies = [
                f"{one.metrics[split].accuracy:.2%}" if split in one.metrics else "" for split in ("validation", "test")
            ]
            name = str(one.recipe.get("name", ""))
            table.add_row(
                one.name, str(one.version), f"{one.parameters:,}", *accuracies, name, f"{one.created:%Y-%m-%d %H:%M}"
            )
        console.print(table)


def _figures(rows: Any) -> Table:
    table = Table("", "accuracy", "errors", "loss", "calibration error", box=None, pad_edge=False)
    for name, metrics in rows:
        errors = round((1 - metrics.accuracy) * metrics.examples)
        table.add_row(
            name, f"{metrics.accuracy:.2%}", f"{errors:,}", f"{metrics.loss:.4f}", f"{metrics.calibration_error:.2%}"
        )
    return table


def _pairs(pairs: Any) -> Table:
    table = Table("pair", "differ on", "both wrong", "wrong alike", box=None, pad_edge=False)
    for one in pairs:
        counts = (f"{one[key]:,}" for key in ("different", "both_wrong", "same_wrong"))
        table.add_row(f"{one['first']}, {one['second']}", *counts)
    return table


def _coverage(rows: Any) -> Table:
    """One line a name, one column a coverage; in each cell the error rate among what is answered."""
    shares = ("all" if share == 1 else f"{share:.1%}" for share in dict.fromkeys(row["coverage"] for row in rows))
    table = Table("error where answered:", *shares, box=None, pad_edge=False)
    for name in dict.fromkeys(row["name"] for row in rows):
        table.add_row(name, *(f"{row['error']:.2%}" for row in rows if row["name"] == name))
    return table


def _corruptions(accuracies: Any) -> Table:
    """One line a corruption, one column a name; the mean at the end."""
    table = Table("accuracy on:", *accuracies, box=None, pad_edge=False)
    for corruption in next(iter(accuracies.values())):
        table.add_row(corruption, *(f"{one[corruption]:.2%}" for one in accuracies.values()))
    table.add_row("mean", *(f"{sum(one.values()) / len(one):.2%}" for one in accuracies.values()))
    return table


def _trials(study: Any, ended: Any, shown: int = 5) -> Table:
    """The best trials, one a column, and what each tried; what was pruned is counted only."""
    trials = study.get_trials(deepcopy=False, states=ended)
    whole = sorted(
        (one for one in trials if one.value is not None and one.state.name == "COMPLETE"), key=lambda one: -one.value
    )
    best = whole[:shown]
    table = Table(
        f"{len(trials)} trials, {len(trials) - len(whole)} pruned",
        *(f"trial {one.number}" for one in best),
        box=None,
        pad_edge=False,
    )
    table.add_row("validation accuracy", *(f"{one.value:.2%}" for one in best))
    for key in sorted(best[0].params):
        table.add_row(key, *(f"{one.params[key]:.3g}" for one in best))
    return table


@contextmanager
def _clear_errors(resume_hint: str = "") -> Iterator[None]:
    """Turn what can go wrong into one line on stderr and an exit status."""
    from registry.errors import ArtifactError

    stderr = Console(stderr=True)
    try:
        yield
    except TrainerError as error:
        say(stderr, f"error: {error}")
        raise typer.Exit(error.status) from error
    except ArtifactError as error:
        say(stderr, f"error: {error}")
        raise typer.Exit(2) from error
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        say(stderr, f"error: {where}{error.strerror or error}")
        raise typer.Exit(2) from error
    except KeyboardInterrupt as error:
        hint = f"; go on {resume_hint}" if resume_hint else ""
        say(stderr, f"stopped{hint}")
        raise typer.Exit(130) from error


def _same() -> str:
    import shlex

    return shlex.join(sys.argv[1:])


def _again() -> str:
    import shlex

    arguments = sys.argv[1:]
    return shlex.join(arguments if "--resume" in arguments else [*arguments, "--resume"])


def _models(recipe: Any, wanted: list[str] | None) -> list[Any]:
    for name in wanted or ():
        if name not in recipe.models:
            raise TrainerError(f"--model {name}: recipe {recipe.name} has {', '.join(recipe.models)}")
    return [name for name in recipe.models if not wanted or name in wanted]


def _device(name: str, threads: int | None) -> Any:
    import torch

    if threads:
        torch.set_num_threads(threads)
    torch.set_flush_denormal(True)  # numbers near zero, in a trained model's gradients, are slow on a CPU
    if name not in ("cpu", "cuda", "auto"):
        raise TrainerError(f"--device {name}: give cpu, cuda or auto")
    if name == "cuda" and not torch.cuda.is_available():
        raise TrainerError("--device cuda: torch finds no CUDA device here; give cpu or auto")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a container that is stopped ends as by Ctrl-C
    app(prog_name="python -m trainer")
