import gzip
import zlib

import numpy as np
import orjson
import pytest
from starlette.responses import Response

from registry.rules import Floats
from service.oip.answer import Wanted, write
from service.oip.inference import Row, of_model, of_vote
from service.oip.models import ENSEMBLE, Listed, outputs
from service.vote import Cast, Outcome

PORTS = {port.name: port for port in outputs(Listed(ENSEMBLE, "1"), 3)}


def row(voters: dict[str, int], label: int = 3) -> Row:
    """A row on which these models voted, by these versions."""
    cast = tuple(Cast(name, version, label, 1.0, [0.1] * 10) for name, version in voters.items())
    raw: Floats = np.full((len(voters), 10), 0.5, dtype=np.float32)
    return Row(Outcome(label, 0.9, 1.0, cast, (), raw, np.full(10, 0.1, dtype=np.float32)), None)


def written(accept: str) -> Response:
    tensors = of_vote([row({"mlp": 2, "lenet5": 1})], ["mlp", "cnn", "lenet5"])
    return write({"id": "1"}, [Wanted(PORTS[name], False) for name in PORTS], tensors, accept)


def test_a_model_that_gave_no_vote_is_told_apart() -> None:
    """Its label and version are -1, its logits null, the others' as they are."""
    told = orjson.loads(bytes(written("").body))
    data = {each["name"]: each["data"] for each in told["outputs"]}
    assert (data["LABELS"], data["VERSIONS"]) == ([3, -1, 3], [2, -1, 1])
    assert data["LOGITS"] == [0.5] * 10 + [None] * 10 + [0.5] * 10
    assert (data["LABEL"], data["ACCEPTED"], data["REASON"]) == ([3], [True], [""])


def test_the_versions_of_all_pictures_are_told() -> None:
    """Each picture's, as a version may be taken up between two batches."""
    versions, tensors = of_model(Listed("cnn", "1"), [row({"cnn": 1}), row({"mlp": 1, "cnn": 2})])
    assert versions == ["1", "2"]
    assert tensors["OUTPUT__0"].shape == (2, 10)


@pytest.mark.parametrize(
    ("accept", "encoding"),
    [
        ("", None),
        ("gzip", "gzip"),
        ("deflate", "deflate"),
        ("gzip, deflate, br", "gzip"),
        ("gzip;q=0.5, deflate;q=0.7", "deflate"),
        ("identity, gzip", None),
        ("br", None),
        ("gzip;q=0", None),
        ("gzip;q=much, deflate", "deflate"),
        ("GZIP ; q=1.0", "gzip"),
        (";;,,;q=", None),
        ("gzip;q=nan", None),
    ],
)
def test_an_answer_is_packed_as_is_asked(accept: str, encoding: str | None) -> None:
    """By the packing that is wanted most among gzip, deflate and none."""
    answer = written(accept)
    assert answer.headers.get("content-encoding") == encoding
    body = bytes(answer.body)
    if encoding:
        body = gzip.decompress(body) if encoding == "gzip" else zlib.decompress(body)
    assert orjson.loads(body)["id"] == "1"
