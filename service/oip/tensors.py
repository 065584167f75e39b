"""Tensors as they are sent: pictures as numbers or as files, in the JSON or behind it."""

import base64
import math
import struct
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from registry.rules import Floats
from service.errors import BadRequest
from service.oip.schemas import InferInput

_SHAPE = (1, 28, 28)
_BYTES = 4 * math.prod(_SHAPE)
_LEAST, _MOST = -0.5, 1.5  # resizing may overshoot 0..1; 0..255, or what was normalised, is a mistake
_LENGTH = struct.Struct("<I")


def behind(sent: InferInput, rest: memoryview) -> memoryview | None:
    """What follows the JSON, if the input is there; None where its data are in the JSON.

    Raises:
        BadRequest: if it has both or neither, or its size is not that of what follows.
    """
    parameters = sent.parameters
    if parameters is not None and parameters.shared_memory_region is not None:
        raise BadRequest(f"{sent.name}: there is no shared memory here. Send its data.")
    size = None if parameters is None else parameters.binary_data_size
    if (size is None) == (sent.data is None):
        raise BadRequest(f"{sent.name} must have either data or a binary_data_size.")
    if len(rest) != (size or 0):
        raise BadRequest(
            f"{sent.name} has a binary_data_size of {size or 0}, but {len(rest)} bytes follow the JSON, "
            "where Inference-Header-Content-Length says that it ends."
        )
    return None if size is None else rest


def pictures(sent: InferInput, raw: memoryview | None, most: int) -> Floats:
    """The pictures [N, 1, 28, 28] of an FP32 input, of which there may be `most`.

    Raises:
        BadRequest: if its type, shape, length or numbers are others.
    """
    count = _count(sent, "FP32", _SHAPE, most)
    if raw is None:
        values = _numbers(sent, count)
    else:
        if len(raw) != count * _BYTES:
            raise BadRequest(f"{sent.name} of the shape {sent.shape} has {count * _BYTES} bytes, not {len(raw)}.")
        values = np.frombuffer(raw, "<f4")
    if not (values.min() >= _LEAST and values.max() <= _MOST):  # NaN is not within it either
        raise BadRequest(f"{sent.name} must hold pixels from 0, the ground, to 1, the ink: grey values divided by 255.")
    return np.ascontiguousarray(values, dtype=np.float32).reshape(count, *_SHAPE)


def files(sent: InferInput, raw: memoryview | None, most: int) -> list[bytes]:
    """The picture files of a BYTES input, of which there may be `most`.

    Raises:
        BadRequest: if its type, shape or length are others, or its text is no base64.
    """
    column = sent.shape[1:] == [1]  # so a client writes it that thinks in rows and columns
    count = _count(sent, "BYTES", (1,) if column else (), most)
    found = _texts(sent) if raw is None else _strings(sent.name, raw, count)
    if len(found) != count:
        told = "more" if len(found) > count else len(found)
        raise BadRequest(f"{sent.name} of the shape {sent.shape} has {count} elements, not {told}.")
    return found


def pack(values: NDArray[Any]) -> bytes:
    """A tensor as it stands behind the JSON: little-endian numbers, or each text's length and the text."""
    if values.dtype == object:
        texts = [str(each).encode() for each in values.ravel()]
        return b"".join(_LENGTH.pack(len(text)) + text for text in texts)
    return values.astype(values.dtype.newbyteorder("<")).tobytes()


def _count(sent: InferInput, datatype: str, shape: tuple[int, ...], most: int) -> int:
    wanted = [-1, *shape]
    if sent.datatype != datatype:
        raise BadRequest(f"{sent.name} is {sent.datatype[:40]!r}, not {datatype}.")
    if not sent.shape or tuple(sent.shape[1:]) != shape:
        raise BadRequest(f"{sent.name} has the shape {sent.shape}, not {wanted}.")
    if not 1 <= sent.shape[0] <= most:
        raise BadRequest(f"{sent.name} holds {sent.shape[0]} pictures; 1 to {most} are taken at once.")
    return sent.shape[0]


def _numbers(sent: InferInput, count: int) -> NDArray[Any]:
    numbers = sent.data or []
    wrong = f"{sent.name} of the shape {sent.shape} must have {count * math.prod(_SHAPE)} numbers, flat or nested so."
    if len(numbers) == count:
        for size in _SHAPE:
            if not all(isinstance(part, list) and len(part) == size for part in numbers):
                raise BadRequest(wrong)
            numbers = list(chain.from_iterable(numbers))
    # numpy would take text, too, and make all others as long.
    if len(numbers) != count * math.prod(_SHAPE) or not set(map(type, numbers)) <= {int, float}:
        raise BadRequest(wrong)
    return np.array(numbers, dtype=np.float64)


def _texts(sent: InferInput) -> list[bytes]:
    wrong = f"{sent.name} in JSON must hold each file as base64 text; as it is, a file goes behind the JSON."
    found = []
    for each in sent.data or []:
        text = each[0] if isinstance(each, list) and len(each) == 1 else each  # of a column
        if not isinstance(text, str):
            raise BadRequest(wrong)
        try:
            found.append(base64.b64decode(text, validate=True))
        except ValueError as error:
            raise BadRequest(wrong) from error
    return found


def _strings(name: str, raw: memoryview, count: int) -> list[bytes]:
    found: list[bytes] = []
    while len(raw) and len(found) <= count:  # one more is too many already: there may be millions
        length = _LENGTH.unpack_from(raw)[0] if len(raw) >= _LENGTH.size else len(raw)
        if length > len(raw) - _LENGTH.size:
            raise BadRequest(
                f"{name} ends early: an element is its length in 4 bytes, the lowest first, and its bytes."
            )
        found.append(bytes(raw[_LENGTH.size : _LENGTH.size + length]))
        raw = raw[_LENGTH.size + length :]
    return found
