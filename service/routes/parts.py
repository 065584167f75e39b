"""What the routes for pictures share: form and errors as described, and votes, boxes and pictures as they are shown."""

from base64 import b64encode
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from imaging.shapes import Box
from registry.rules import Floats
from service.errors import (
    BadRequest,
    BlankPicture,
    BodyTooLarge,
    BrokenPicture,
    Busy,
    EmptyFile,
    HeadTooLarge,
    NoFile,
    NoQuorum,
    NotAPicture,
    NotReady,
    ServiceError,
    SlowBody,
    SlowHead,
    TooLate,
    TooManyPixels,
    UnknownEncoding,
)
from service.schemas import MissingVote, Place, Vote
from service.upload import FIELD
from service.vote import Outcome

# What any picture that is sent may meet, in the order in which it would.
UPLOAD_ERRORS: tuple[type[ServiceError], ...] = (
    SlowHead,
    HeadTooLarge,
    BadRequest,
    SlowBody,
    BodyTooLarge,
    UnknownEncoding,
    NotAPicture,
    BrokenPicture,
    NoFile,
    EmptyFile,
    TooManyPixels,
    BlankPicture,
    ServiceError,
    Busy,
    NotReady,
    NoQuorum,
    TooLate,
)


def body(description: str) -> dict[str, Any]:
    """The multipart form of a route, as its OpenAPI page shows it."""
    file = {
        "type": "string",
        "format": "binary",
        "description": f"{description}: PNG, JPEG, WebP, BMP, GIF or TIFF",
    }
    schema = {"type": "object", "required": [FIELD], "properties": {FIELD: file}}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


def votes_of(outcome: Outcome) -> list[Vote]:
    """The votes that were cast on a picture."""
    return [
        Vote(
            model=vote.model,
            version=vote.version,
            label=vote.label,
            confidence=vote.confidence,
            probabilities=vote.probabilities,
        )
        for vote in outcome.cast
    ]


def missing_of(outcome: Outcome) -> list[MissingVote]:
    """The models that did not vote on a picture."""
    return [MissingVote(model=vote.model, version=vote.version, reason=vote.reason) for vote in outcome.absent]


def place_of(box: Box) -> Place:
    """A box of the upload."""
    return Place(left=box.left, top=box.top, width=box.width, height=box.height)


def png_of(picture: Floats) -> str:
    """A picture [1, 28, 28] in 0..1 as a PNG in a data URI."""
    file = BytesIO()
    Image.fromarray((picture[0] * 255).round().astype(np.uint8)).save(file, "PNG")
    return f"data:image/png;base64,{b64encode(file.getvalue()).decode()}"


def ms(seconds: float) -> float:
    """Seconds as milliseconds, to the microsecond."""
    return round(seconds * 1e3, 3)
