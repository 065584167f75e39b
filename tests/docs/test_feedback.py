import re

import typer

from service.commands.feedback import feedback
from service.routes.feedback import Correction
from service.schemas import Live
from service.settings import variables
from tests.support import ROOT
from trainer.recipe import Finetuning

PAGE = (ROOT / "docs" / "feedback.md").read_text()
TRAINING = (ROOT / "docs" / "training.md").read_text()


def _fields(part: str) -> set[str]:
    """What the first cells of a part's tables name."""
    cells = re.findall(r"^\| (`.*?`) \|", PAGE.split(f"## {part}")[1].split("\n## ")[0], re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}


def test_every_setting_field_and_command_stands_in_the_docs() -> None:
    """docs/feedback.md has a row for each setting, each field of a request and of `live`, and shows each command."""
    assert _fields("Switching it on") == {name for name in variables() if name.startswith("DIGITVOTE_FEEDBACK")}
    assert _fields("Saying what is right") == set(Correction.model_fields)
    assert _fields("How the models do") == set(Live.model_fields)
    for command in getattr(typer.main.get_command(feedback), "commands", {}):
        assert f"python -m service feedback {command}" in PAGE


def test_every_key_of_a_fine_tuning_stands_in_the_docs() -> None:
    """docs/training.md has each key of a recipe's table finetune."""
    rows = "".join(re.findall(r"^\| `finetune\..*$", TRAINING, re.MULTILINE))
    for key in Finetuning.model_fields:
        assert f".{key}`" in rows, key
