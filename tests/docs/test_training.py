"""The commands of docs/training.md, run in order on few digits; those of all pages, held against the command line."""

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import typer
from typer.testing import CliRunner

from tests.support import ROOT
from trainer import recipe
from trainer.__main__ import app

DATA = ROOT / "tests" / "data"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PAGE = (ROOT / "docs" / "training.md").read_text()
LINES = [
    line.partition("  #")[0].strip()
    for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    for line in block.strip().splitlines()
]
COURSE = [line.removeprefix("python -m trainer ") for line in LINES if line.startswith("python -m trainer ")]
MINE = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)


def test_other_commands_are_known() -> None:
    """A command that the page gains is run below, or by a test of its own."""
    others = [line for line in LINES if not line.startswith("python -m trainer ")]
    assert others == ["make install", ". .venv/bin/activate", "make bench-training"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_is_one_of_the_command_line(page: Path) -> None:
    """Each `python -m trainer ...` of a page, in its text too, is a command with options that it takes."""
    commands = getattr(typer.main.get_command(app), "commands", {})
    for line in re.findall(r"python -m trainer (\w[^`\n#]*)", page.read_text()):
        name, *words = shlex.split(line)
        assert name in commands, line
        commands[name].make_context(name, words)


def test_the_recipe_is_one() -> None:
    """The recipe that the page shows first is taken as it stands, and has what the page says of it."""
    mine = MINE[0]
    found = recipe.check(tomllib.loads(mine), "docs/training.md")
    assert found.name == "mine"
    assert found.models["cnn"].loss.name == "one_hot_squared_error"


@pytest.mark.parametrize("part", MINE[1:])
def test_a_part_of_a_recipe_fits_the_release(part: str) -> None:
    """What the page adds to a recipe is taken beside the other keys of the release's."""
    table = tomllib.loads((recipe.SHIPPED / "release.toml").read_text())
    for name, added in tomllib.loads(part)["models"].items():
        table["models"][name] |= added
    recipe.check(table, "docs/training.md")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the commands run, with the recipes that they name, each short and for the tests' digits."""
    tiny = re.sub(r"epochs = \d+", "epochs = 1", (DATA / "tiny.toml").read_text()).replace("target = 0.5", "target = 0")
    for name in ("quick", "release"):
        (tmp_path / f"{name}.toml").write_text(tiny.replace('name = "tiny"', f'name = "{name}"'))
    gate = (
        (DATA / "tiny-gate.toml").read_text().replace("epochs = 10", "epochs = 1").replace("target = 0.7", "target = 0")
    )
    (tmp_path / "gate.toml").write_text(gate)
    mine = MINE[0].replace("fraction = 0.1", "fraction = 0.5").replace("epochs = 10", "epochs = 1")
    (tmp_path / "mine.toml").write_text(mine.replace("\n\n", "\nvalidation = 100\n\n", 1))
    monkeypatch.chdir(tmp_path)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield tmp_path
    torch.set_num_threads(threads)
    torch.set_flush_denormal(False)


def test_the_course(folder: Path) -> None:
    """The page's commands, one after another, all end well and leave what the page says that they leave."""
    for line in COURSE:
        short = re.sub(r"--recipe (quick|release|gate)\b(?!-)", r"--recipe \1.toml", line).replace(
            "--trials 30", "--trials 1"
        )
        data = [] if line.startswith(("models", "onnx")) else ["--data", str(DATA), "--allow-other-data"]
        done = CliRunner().invoke(app, [*shlex.split(short), *data])
        assert done.exit_code == 0, f"{line}\n{done.output}"
    left = {"digits.png", "forms.png", "differences.png", "coverage.png", "quick-mlp-tuned.toml", "runs", "tries"}
    assert {path.name for path in folder.iterdir()} == {"quick.toml", "release.toml", "gate.toml", "mine.toml", *left}
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert {
        "/tries/",
        "/runs/",
        "/digits.png",
        "/forms.png",
        "/differences.png",
        "/coverage.png",
        "/*-tuned.toml",
    } <= set(ignored)
