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


def stages(name: str) -> dict[str, list[Instruction]]:
    """The instructions of each stage of a Dockerfile by its name, that of the last being "" if it has none."""
    found: dict[str, list[Instruction]] = {}
    stage = ""
    for one in instructions(name):
        if one.word == "FROM":
            stage = one.rest.partition(" AS ")[2]
        found.setdefault(stage, []).append(one)
    return found


def final_stage(name: str, target: str | None = None) -> list[Instruction]:
    """The instructions that make an image, the last if no target is named, with those of the stages it is built on."""
    known = stages(name)
    stage = known[list(known)[-1] if target is None else target]
    base = stage[0].rest.partition(" AS ")[0]
    return [*final_stage(name, base), *stage] if base in known else stage
