"""The pictures that benchmarks send, as bodies of requests."""

import base64
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image

from benchmarks.trouble import file, grained, inked, placed, soft
from tests.mnist import digits

_LINE = "digitvote-benchmark"


@dataclass(frozen=True)
class Upload:
    """A request's body and its content type."""

    body: bytes
    content_type: str


def multipart(picture: bytes, field: str = "file") -> Upload:
    """A form with the picture as its one field."""
    head = (
        f'--{_LINE}\r\nContent-Disposition: form-data; name="{field}"; filename="digit"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    return Upload(head.encode() + picture + f"\r\n--{_LINE}--\r\n".encode(), f"multipart/form-data; boundary={_LINE}")


def inference_protocol(picture: bytes) -> Upload:
    """The picture as a request of the Open Inference Protocol: a tensor of one string, in base64."""
    text = base64.b64encode(picture).decode()
    tensor = {"name": "picture", "shape": [1, 1], "datatype": "BYTES", "data": [text]}
    return Upload(json.dumps({"inputs": [tensor]}).encode(), "application/json")


def digit(row: int = 0) -> bytes:
    """A digit of MNIST's test set as a PNG of 28x28 pixels."""
    buffer = io.BytesIO()
    Image.fromarray(digits()[row]).save(buffer, "PNG")
    return buffer.getvalue()


def _page(size: int, height: int, width: int, form: str) -> bytes:
    random = np.random.default_rng(0)
    ink = placed(soft(digits()[0].astype(np.float32) / 255, size), height, width, random)
    return file(grained(inked(ink), random), form)[0]


PICTURES: dict[str, Callable[[], bytes]] = {
    "28": cache(digit),
    "400": cache(lambda: _page(280, 400, 400, "PNG")),
    "1600": cache(lambda: _page(800, 1200, 1600, "JPEG")),
}
NAMES = {"28": "28x28 PNG", "400": "400x400 PNG", "1600": "1600x1200 JPEG"}
