"""The answer to an inference request: its JSON, and behind it the tensors that are wanted so."""

import gzip
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray
from starlette.responses import Response

from registry.manifest import LABELS
from service.errors import BadRequest
from service.oip.body import HEADER
from service.oip.inference import Tensors
from service.oip.models import Port
from service.oip.schemas import InferRequest
from service.oip.tensors import pack

_NAMES = {"f": "FP32", "i": "INT64", "b": "BOOL", "O": "BYTES"}


@dataclass(frozen=True)
class Wanted:
    """One output that is wanted: behind the JSON or in it, whole or as its so many likeliest labels."""

    port: Port
    binary: bool
    classes: int | None = None


def wanted(asked: InferRequest, ports: Sequence[Port]) -> list[Wanted]:
    """The outputs that a request wants, in its order; all where it names none.

    Raises:
        BadRequest: if one is named that there is not, or twice, or one cannot be given so.
    """
    binary = bool(asked.parameters and asked.parameters.binary_data_output)
    if not asked.outputs:
        return [Wanted(port, binary) for port in ports]
    known, found = {port.name: port for port in ports}, dict[str, Wanted]()
    for output in asked.outputs:
        port, how = known.get(output.name), output.parameters
        if port is None:
            raise BadRequest(f"There is no output {output.name[:64]!r}. Those that there are: {', '.join(known)}.")
        if port.name in found:
            raise BadRequest(f"The output {port.name} is named twice.")
        if how is None:
            found[port.name] = Wanted(port, binary)
            continue
        if how.shared_memory_region is not None:
            raise BadRequest(f"{port.name}: there is no shared memory here. Leave shared_memory_region out.")
        if how.classification and port.shape != (len(LABELS),):
            raise BadRequest(f"{port.name} cannot be given as classification: it holds no number a label.")
        found[port.name] = Wanted(port, binary if how.binary_data is None else how.binary_data, how.classification)
    return list(found.values())


def write(facts: dict[str, Any], outputs: Sequence[Wanted], tensors: Tensors, accept: str) -> Response:
    """The answer, packed as the request's Accept-Encoding asks."""
    told, behind = [], b""
    for output in outputs:
        values = tensors[output.port.name]
        if output.classes:
            values = _classified(values, output.classes)
        entry = {"name": output.port.name, "datatype": _NAMES[values.dtype.kind], "shape": list(values.shape)}
        if output.binary:
            raw = pack(values)
            told.append({**entry, "parameters": {"binary_data_size": len(raw)}})
            behind += raw
        else:
            flat = values.ravel()
            told.append({**entry, "data": flat.tolist() if flat.dtype == object else flat})
    text = orjson.dumps({**facts, "outputs": told}, option=orjson.OPT_SERIALIZE_NUMPY)
    headers = {"Vary": "Accept-Encoding"}
    if behind:
        headers[HEADER] = str(len(text))
    encoding = _chosen(accept)
    if encoding is not None:
        headers["Content-Encoding"] = encoding
    body = _packed(text + behind, encoding)
    return Response(body, headers=headers, media_type="application/octet-stream" if behind else "application/json")


def _classified(values: NDArray[Any], classes: int) -> NDArray[Any]:
    """The likeliest labels [N, classes] of numbers [N, 10], written as Triton does."""
    best = np.argsort(-values, axis=1, kind="stable")[:, :classes]
    rows = zip(values.tolist(), best.tolist(), strict=True)
    return np.array([[f"{row[at]:f}:{at}:{LABELS[at]}" for at in order] for row, order in rows], dtype=object)


def _packed(content: bytes, encoding: str | None) -> bytes:
    if encoding == "gzip":
        return gzip.compress(content, 1)
    return zlib.compress(content, 1) if encoding == "deflate" else content


def _chosen(accept: str) -> str | None:
    """Of gzip and deflate the one that is accepted most gladly; none where neither is, or no packing is as welcome."""
    best, weight = None, 0.0
    for part in accept.lower().split(","):
        name, _, quality = part.partition(";")
        try:
            given = float(quality.strip().removeprefix("q=") or 1)
        except ValueError:
            continue
        if name.strip() in ("gzip", "deflate", "identity") and given > weight:
            best, weight = name.strip(), given
    return None if best == "identity" else best
