"""An answer as the page without scripts shows it; scripts/answer.js says the same of the same answer."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from imaging.decode import Decoded
from service.html import name_of, warning, words

SIDE = 800  # pixels that the picture on the page is wide or high, at most

Answer = Mapping[str, Any]


def picture_of(decoded: Decoded) -> dict[str, Any]:
    """An upload, upright and gray, as a data URI, with its width and height in its own pixels."""
    file = BytesIO()
    Image.fromarray((decoded.gray * 255).round().astype(np.uint8)).save(file, "JPEG", quality=80)
    data = b64encode(file.getvalue()).decode()
    return {"source": f"data:image/jpeg;base64,{data}", "width": decoded.width, "height": decoded.height}


def digit_page(answer: Answer) -> dict[str, Any]:
    """What the page says of an answer of /predict."""
    said, label, seen = words()["answer"], answer["label"], answer["seen"]
    refused = None if answer["accepted"] else words()["reasons"][answer["reason"]]
    return {
        "answer": answer,
        "shown": str(label),
        "title": refused["title"] if refused else said["digit"].format(label=label),
        "lines": [refused["text"]] if refused else [_agreement(answer["votes"], label)],
        "notes": _notes(answer),
        "steps": _steps(seen),
        "boxes": [(seen["box"], "" if answer["accepted"] else "doubt")],
    }


def number_page(answer: Answer) -> dict[str, Any]:
    """What the page says of an answer of /read that holds a digit."""
    digits, text = answer["digits"], answer["text"]
    refused = None if answer["accepted"] else words()["reasons"]["number"]
    return {
        "answer": answer,
        "shown": text.replace("\n", " "),
        "title": refused["title"] if refused else words()["answer"]["number"].format(text=text.replace("\n", ", ")),
        "least": min(digits, key=lambda digit: digit["confidence"]),
        "lines": [*([refused["text"]] if refused else []), _common(digits)],
        "notes": _notes(answer),
        "steps": _steps(answer["seen"]),
        "boxes": [
            *((digit["box"], "" if digit["accepted"] else "doubt") for digit in digits),
            *((each["box"], "left") for each in answer["skipped"]),
        ],
    }


def _agreement(votes: Sequence[Answer], label: int) -> str:
    """Who agrees with the winning label."""
    said = words()["answer"]
    others = [vote for vote in votes if vote["label"] != label]
    if not others:
        return str(said["all"].format(count=len(votes)))
    if len(others) == len(votes):
        return str(said["none"].format(label=label))
    told = said["and"].join(said["other"].format(model=name_of(vote["model"]), label=vote["label"]) for vote in others)
    return str(said["split"].format(count=len(votes) - len(others), all=len(votes), label=label, others=told))


def _common(digits: Sequence[Answer]) -> str:
    """On which digits of a number all models agree."""
    said = words()["answer"]
    others = [
        said["place"].format(position=position, label=digit["label"])
        for position, digit in enumerate(digits, 1)
        if digit["agreement"] < 1
    ]
    if not others:
        return str(said["allDigits"].format(count=len(digits[0]["votes"])))
    agreed, told = len(digits) - len(others), said["and"].join(others)
    return str(said["splitDigits"].format(agreed=agreed, count=len(digits), others=told))


def _notes(answer: Answer) -> list[str]:
    """What to know about a picture."""
    said = words()["answer"]
    reasons = dict.fromkeys(words()["skipped"][each["reason"]] for each in answer.get("skipped", ()))
    return [
        *(warning(text) for text in answer["warnings"]),
        *([said["skipped"].format(reasons=", ".join(reasons))] if reasons else []),
        *(said["missing"].format(model=name_of(vote["model"])) for vote in answer["missing"]),
    ]


def _steps(seen: Answer) -> list[str]:
    """What was done to a picture, in order."""
    if "unchanged" in seen["steps"]:
        return []
    inverted = ["inverted"] if seen["polarity"] == "dark on light" else []
    return [words()["steps"][step] for step in (*inverted, *seen["steps"])]
