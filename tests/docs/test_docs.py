import inspect
import re
import tomllib
from pathlib import Path
from typing import get_args

import pytest
import typer
from fastapi.routing import APIRoute

from imaging import line
from imaging.ground import Polarity
from imaging.steps import Step
from registry.manifest import Manifest
from service.acceptance import Reject
from service.app import create_app
from service.client.rows import COLUMNS
from service.commands.predict import predict
from service.errors import all_errors
from service.schemas import BatchAnswer, BatchPrediction, Look, NumberDigit, NumberPrediction, Prediction, State
from service.settings import Settings, defaults, variables
from service.vote import Reason
from tests.support import ROOT
from trainer.__main__ import app as trainer
from trainer.corrupt import CORRUPTIONS

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PROTOCOL = (ROOT / "docs" / "protocol.md").read_text()
SERVING = (ROOT / "docs" / "serving.md").read_text()
TRAINING = (ROOT / "docs" / "training.md").read_text()


def test_every_setting_stands_in_the_docs_with_its_default() -> None:
    """docs/serving.md holds exactly the settings, their defaults and meanings."""
    rows = re.findall(r"^\| `(DIGITVOTE_\w+)` \|(?: `([^`]*)`)? \| (.*) \|$", SERVING, re.MULTILINE)
    assert rows == [(name, defaults()[name], meaning) for name, meaning in variables().items()]


def test_every_route_stands_in_the_docs() -> None:
    """docs/serving.md and docs/protocol.md hold exactly the routes, by method and path."""
    routes = {f"{method} {route.path}" for route in _routes() for method in route.methods or ()}
    told = set(re.findall(r"^\| `([A-Z]+ /\S*)` \|", SERVING + PROTOCOL, re.MULTILINE))
    assert told == routes | {"GET /openapi.json"}


def _routes() -> list[APIRoute]:
    from service.oip import routes as oip
    from service.routes import batch, feedback, form, pages, probes, read, report, status, telemetry
    from service.routes import predict as one

    return [
        route
        for part in (form, pages, report, one, batch, read, feedback, status, probes, telemetry, oip)
        for route in part.router.routes
        if isinstance(route, APIRoute)
    ]


def test_no_route_is_served_that_the_documented_routers_lack() -> None:
    """The application serves the routers' routes, /openapi.json and /static, and nothing else."""
    served = set(create_app(Settings()).openapi()["paths"])
    assert served == {route.path for route in _routes() if route.include_in_schema}


def test_every_error_state_and_field_stands_in_the_docs() -> None:
    """docs/serving.md holds each row of the error table, each state and each field of the answer."""
    rows = re.findall(r"^\| `urn:digitvote:([\w-]+)` \| (\d+) \|", SERVING, re.MULTILINE)
    assert rows == [(error.name, str(error.status)) for error in all_errors()]
    for word in (*get_args(State), *Prediction.model_fields):
        assert f"| `{word}` |" in SERVING


def test_every_reason_and_mode_of_acceptance_stands_in_the_docs() -> None:
    """docs/serving.md has a row for each value of DIGITVOTE_REJECT and each reason not to accept an answer."""
    part = SERVING.split("## Accepted or not")[1].split("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", part, re.MULTILINE) == list(get_args(Reject))
    assert set(get_args(Reason)) <= set(re.findall(r'"([^"]+)"', part))


def test_every_field_of_seen_and_every_step_stands_in_the_docs() -> None:
    """docs/serving.md has a row for each field of `seen`, docs/pictures.md for each step, in the order of the code."""
    part = SERVING.split("## How it was read")[1].split("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", part, re.MULTILINE) == list(Look.model_fields)
    assert set(get_args(Polarity)) <= set(re.findall(r"`([^`]+)`", part))
    steps = (ROOT / "docs" / "pictures.md").read_text().split("## Steps")[1].split("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", steps, re.MULTILINE) == list(get_args(Step))


def test_every_field_and_reason_of_read_stands_in_the_docs() -> None:
    """docs/serving.md names each field of /read's answer and of its digits, and each reason to leave something out."""
    part = SERVING.split("## Numbers")[1].split("\n## ")[0]
    named = set(re.findall(r"`([^`\n]+)`", part.split("```")[2]))
    assert {*NumberPrediction.model_fields, *NumberDigit.model_fields, *get_args(line.Reason)} <= named


def test_every_field_of_a_batch_and_option_of_its_command_stands_in_the_docs() -> None:
    """docs/serving.md has a row for each field of a batch's answer and each option of `predict`, and each column."""
    part = SERVING.split("## Many pictures")[1].split("\n## ")[0]
    fields, options = part.split("### From a folder")
    told = re.findall(r"^\| `(\w+)` \|", fields, re.MULTILINE)
    assert told == [*BatchPrediction.model_fields, *BatchAnswer.model_fields]
    alone = typer.Typer(add_completion=False)
    alone.command()(predict)
    command = typer.main.get_command(alone)
    rows = re.findall(r"^\| `(--\w+)` \| (\S+) \|", options, re.MULTILINE)
    declared = [(each.opts[0], each.default) for each in command.params if each.opts[0].startswith("--")]
    unset = {"--output": "stdout", "--key": "none"}
    assert rows == [(name, unset.get(name) or f"`{default}`") for name, default in declared]
    assert set(COLUMNS) <= set(re.findall(r"`(\w+)`", options))


def test_every_field_of_the_manifest_stands_in_the_docs() -> None:
    """docs/artifacts.md names each field of a manifest."""
    text = (ROOT / "docs" / "artifacts.md").read_text()
    for field in Manifest.model_fields:
        assert f"`{field}`" in text, field


def test_every_trainer_command_and_recipe_stands_in_the_docs() -> None:
    """docs/training.md names each command of the trainer and each shipped recipe."""
    group = typer.main.get_command(trainer)
    commands = getattr(group, "commands", {})
    assert commands
    for command in commands:
        assert f"trainer {command}" in TRAINING
    for recipe in (ROOT / "trainer" / "recipes").glob("*.toml"):
        assert recipe.stem in TRAINING


def test_every_corruption_stands_in_the_docs() -> None:
    """docs/training.md has a row for each corruption that reports count."""
    rows = re.findall(r"^\| `(\w+)` \| .* \| [\d.]+ % \| [\d.]+ % \| [\d.]+ % \| [\d.]+ % \|$", TRAINING, re.MULTILINE)
    assert rows == list(CORRUPTIONS)


def test_every_make_target_has_a_line_of_help() -> None:
    """`make help` lists each target that the Makefile declares."""
    text = (ROOT / "Makefile").read_text()
    declared = re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE)
    assert declared is not None
    assert set(declared[1].split()) == set(re.findall(r"^([\w-]+):.*## ", text, re.MULTILINE))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    """Each relative link of a page is a file of the repository."""
    for target in re.findall(r"\]\(([^)#]+)(?:#[\w-]+)?\)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


def test_the_lock_is_exact_and_names_no_address() -> None:
    """Each line of requirements.lock pins one version; torch and torchvision are the pair that fit."""
    lines = [line for line in (ROOT / "requirements.lock").read_text().splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in lines)
    assert {"torch==2.15.0", "torchvision==0.29.2"} <= set(lines)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pinned = {line.split("==")[0].lower().replace("_", "-") for line in lines}
    for extra in (project["dependencies"], *project["optional-dependencies"].values()):
        for requirement in extra:
            if requirement.startswith("digitvote["):  # an extra that another builds on
                continue
            assert re.split(r"[\[>=]", requirement)[0] in pinned, requirement


def test_every_test_says_what_must_hold() -> None:
    """Each test function has a sentence of its own."""
    for path in (ROOT / "tests").rglob("test_*.py"):
        for name, body in re.findall(
            r"^(?:async )?def (test_\w+)\([^:]*?\)[^:]*:\n((?: {4}.*\n)+)", path.read_text(), re.MULTILINE
        ):
            first = inspect.cleandoc(body).splitlines()[0]
            assert first.startswith('"""'), f"{path.name}: {name}"
            assert first.rstrip('"').endswith("."), f"{path.name}: {name}"
