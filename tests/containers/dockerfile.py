"""Dockerfiles as lists of instructions."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
DOCKERFILES = ("Dockerfile.serve", "Dockerfile.train")


@dataclass(frozen=True)
class Instruction:
    """One instruction: its word in capitals, and the rest with its continuation lines joined."""

    word: str
    rest: str

    def exec_form(self) -> list[str]:
        """The list of an instruction in exec form; raises ValueError for one in shell form."""
        words: list[str] = json.loads(self.rest[self.rest.index("[") :])
        return words


def instructions(name: str) -> list[Instruction]:
    """The instructions of a Dockerfile of the project."""
    lines = [line for line in (ROOT / name).read_text("utf-8").splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n", "", "\n".join(lines))
    found = [line.strip().partition(" ") for line in joined.splitlines() if line.strip()]
    return [Instruction(word.upper(), rest.strip()) for word, _, rest in found]


def final_stage(name: str) -> list[Instruction]:
    """The instructions of the stage that becomes the image."""
    whole = instructions(name)
    last = max(place for place, instruction in enumerate(whole) if instruction.word == "FROM")
    return whole[last:]
