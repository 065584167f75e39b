"""Options that several commands share, and what is made of them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from registry.address import Address, AddressError, Location, check_installed, locate
from trainer.errors import TrainerError

if TYPE_CHECKING:
    import torch

    from registry.rules import Rule
    from trainer.recipe import Name, Recipe

Data = Annotated[
    list[str] | None,
    typer.Option(
        metavar="DIR|KIND:DIR",
        help="MNIST's four files, QMNIST, EMNIST's digits, other IDX files, folders 0 to 9 of pictures, or feedback. "
        "Repeated, all are trained on, and the first one's test set is the test set. Without it MNIST is fetched.",
    ),
]
OtherData = Annotated[
    bool, typer.Option("--allow-other-data", help="Take files in --data that have the names of MNIST's and are not.")
]
RecipeName = Annotated[
    str, typer.Option(metavar="NAME|FILE", help="A shipped recipe (quick, release, lenet5-1998, ...) or a file.")
]
Artifacts = Annotated[
    str, typer.Option(metavar="DIR|ADDRESS", help="Where versions are published: a folder, or like s3://bucket/prefix.")
]
Runs = Annotated[Path, typer.Option(metavar="DIR", help="Where checkpoints are kept.")]
Picture = Annotated[Path, typer.Option(metavar="FILE", help="Where the picture is written.")]
Device = Annotated[str, typer.Option(metavar="cpu|cuda|auto", help="Where to train.")]
Threads = Annotated[int | None, typer.Option(min=1, metavar="N", help="CPU threads; torch chooses without it.")]


def location(artifacts: str) -> Location:
    """The folder or the address that --artifacts names.

    Raises:
        TrainerError: if it is an address that cannot be, or what speaks to its store is not installed.
    """
    try:
        found = locate(artifacts)
        if isinstance(found, Address):
            check_installed(found)
    except AddressError as error:
        raise TrainerError(f"--artifacts: {error}") from error
    return found


def models(recipe: "Recipe", wanted: list[str] | None) -> "list[Name]":
    """What --model asks for, in the recipe's order; all of the recipe's models without it.

    Raises:
        TrainerError: if the recipe has no such model.
    """
    for name in wanted or ():
        if name not in recipe.models:
            raise TrainerError(f"--model {name}: recipe {recipe.name} has {', '.join(recipe.models)}")
    return [name for name in recipe.models if not wanted or name in wanted]


def rule(name: str) -> "Rule":
    """What --rule names.

    Raises:
        TrainerError: if there is no such rule.
    """
    from registry.rules import RULES

    for known in RULES:
        if name == known:
            return known
    raise TrainerError(f"--rule {name}: give {', '.join(RULES)}")


def device(name: str, threads: int | None) -> "torch.device":
    """What --device names, with torch set to compute on so many --threads.

    Raises:
        TrainerError: if there is no such device here.
    """
    import torch

    if threads:
        torch.set_num_threads(threads)
    torch.set_flush_denormal(True)  # numbers near zero, in a trained model's gradients, are slow on a CPU
    if name not in ("cpu", "cuda", "auto"):
        raise TrainerError(f"--device {name}: give cpu, cuda or auto")
    if name == "cuda" and not torch.cuda.is_available():
        raise TrainerError("--device cuda: torch finds no CUDA device here; give cpu or auto")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")
