import base64
import gzip
import json
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registry.rules import Floats
from service.errors import BadRequest, ServiceError
from service.oip.models import ENSEMBLE, Listed, inputs, outputs
from service.oip.request import Asked, Reader

VOTE = Listed(ENSEMBLE, "1")
READER = Reader(inputs(VOTE), outputs(VOTE, 3), 2**20, 4)
ALONE = Reader(inputs(Listed("cnn", "1")), outputs(Listed("cnn", "1"), 3), 2**20, 4)
PICTURE = np.random.default_rng(0).random((1, 1, 28, 28), dtype=np.float32)
RAW = PICTURE.tobytes()
NUMBERS = PICTURE.ravel().tolist()


def given_input(**changes: Any) -> dict[str, Any]:
    """One input as it should be, but for some fields; those that are None are left out."""
    whole = {"name": "INPUT__0", "shape": [1, 1, 28, 28], "datatype": "FP32", "data": NUMBERS, **changes}
    return {name: value for name, value in whole.items() if value is not None}


def read(told: object, behind: bytes = b"", *, reader: Reader = READER, header: str | None = None) -> Asked:
    text = json.dumps(told).encode()
    return reader.read(text + behind, "", str(len(text)) if behind and header is None else header)


def sent(asked: Asked) -> Floats:
    assert isinstance(asked.sent, np.ndarray)
    return asked.sent


def test_pictures_come_flat_nested_or_behind_the_json() -> None:
    """Each way they are the same numbers."""
    flat = read({"inputs": [given_input()]})
    nested = read({"inputs": [given_input(data=PICTURE.tolist())]})
    raw = read({"inputs": [given_input(data=None, parameters={"binary_data_size": len(RAW)})]}, RAW)
    for asked in (flat, nested, raw):
        assert sent(asked).dtype == np.float32
        assert np.array_equal(sent(asked), PICTURE)
        assert asked.id is None
        assert [(each.binary, each.classes) for each in asked.outputs] == [(False, None)] * 9


def test_files_come_as_base64_or_behind_the_json() -> None:
    """Of two files, one of them empty, in a row or a column."""
    files = [b"\x89PNG", b""]
    texts = [base64.b64encode(each).decode() for each in files]
    for shape, data in (([2], texts), ([2, 1], texts), ([2, 1], [[each] for each in texts])):
        found = read({"inputs": [given_input(name="IMAGE", datatype="BYTES", shape=shape, data=data)]})
        assert found.sent == files
    raw = b"".join(struct.pack("<I", len(each)) + each for each in files)
    behind = given_input(
        name="IMAGE", datatype="BYTES", shape=[2], data=None, parameters={"binary_data_size": len(raw)}
    )
    assert read({"inputs": [behind]}, raw).sent == files


def test_outputs_are_wanted_in_the_order_asked() -> None:
    """Each as it says itself, else as the request says of all."""
    told = {
        "id": "42",
        "parameters": {"binary_data_output": True, "priority": 3, "timeout": 5},
        "inputs": [given_input()],
        "outputs": [
            {"name": "PROBABILITIES", "parameters": {"classification": 2}},
            {"name": "LABEL", "parameters": {"binary_data": False}},
            {"name": "LOGITS"},
        ],
    }
    asked = read(told)
    assert asked.id == "42"
    found = [(each.port.name, each.binary, each.classes) for each in asked.outputs]
    assert found == [("PROBABILITIES", True, 2), ("LABEL", False, None), ("LOGITS", True, None)]


BINARY = {"binary_data_size": len(RAW)}
WRONG: list[tuple[str, dict[str, Any], bytes]] = [
    ("inputs", {}, b""),
    ("inputs", {"inputs": []}, b""),
    ("inputs", {"inputs": {}}, b""),
    ("must be INPUT__0 or IMAGE, not INPUT__1", {"inputs": [given_input(name="INPUT__1")]}, b""),
    ("must be INPUT__0 or IMAGE, not INPUT__0, INPUT__0", {"inputs": [given_input()] * 2}, b""),
    ("inputs.0.name", {"inputs": [given_input(name=None)]}, b""),
    ("inputs.0.datatype", {"inputs": [given_input(datatype=None)]}, b""),
    ("inputs.0.shape", {"inputs": [given_input(shape=None)]}, b""),
    ("is 'FP64', not FP32", {"inputs": [given_input(datatype="FP64")]}, b""),
    ("is 'FP32', not BYTES", {"inputs": [given_input(name="IMAGE")]}, b""),
    ("has the shape", {"inputs": [given_input(shape=[1, 28, 28])]}, b""),
    ("has the shape", {"inputs": [given_input(shape=[])]}, b""),
    ("inputs.0.shape.0", {"inputs": [given_input(shape=[-1, 1, 28, 28])]}, b""),
    ("inputs.0.shape.0", {"inputs": [given_input(shape=[True, 1, 28, 28])]}, b""),
    ("0 pictures; 1 to 4", {"inputs": [given_input(shape=[0, 1, 28, 28], data=[])]}, b""),
    ("5 pictures; 1 to 4", {"inputs": [given_input(shape=[5, 1, 28, 28])]}, b""),
    ("inputs.0.shape.0", {"inputs": [given_input(shape=[10**30, 1, 28, 28])]}, b""),
    ("pictures; 1 to 4", {"inputs": [given_input(shape=[2**63, 1, 28, 28])]}, b""),
    ("784 numbers", {"inputs": [given_input(data=NUMBERS[1:])]}, b""),
    ("784 numbers", {"inputs": [given_input(data=[PICTURE.tolist()])]}, b""),
    ("784 numbers", {"inputs": [given_input(data=[[[[0.0] * 28] * 27]])]}, b""),
    ("784 numbers", {"inputs": [given_input(data=[[[0] * 28] * 28])]}, b""),
    ("784 numbers", {"inputs": [given_input(data=["0"] * 784)]}, b""),
    ("784 numbers", {"inputs": [given_input(data=[None] * 784)]}, b""),
    ("784 numbers", {"inputs": [given_input(data=[True] * 784)]}, b""),
    ("784 numbers", {"inputs": [given_input(data=["x" * 10_000, *NUMBERS[1:]])]}, b""),
    ("from 0", {"inputs": [given_input(data=[255] * 784)]}, b""),
    ("from 0", {"inputs": [given_input(data=[1e300] * 784)]}, b""),
    ("from 0", {"inputs": [given_input(data=[-(2**63)] * 784)]}, b""),
    ("either data or", {"inputs": [given_input(data=None)]}, b""),
    ("either data or", {"inputs": [given_input(parameters=BINARY)]}, RAW),
    ("shared memory", {"inputs": [given_input(parameters={"shared_memory_region": "mine"})]}, b""),
    ("3136, but 0 bytes follow", {"inputs": [given_input(data=None, parameters=BINARY)]}, b""),
    ("3136, but 3137 bytes follow", {"inputs": [given_input(data=None, parameters=BINARY)]}, RAW + b"x"),
    ("0, but 3136 bytes follow", {"inputs": [given_input()]}, RAW),
    ("has 3136 bytes, not 4", {"inputs": [given_input(data=None, parameters={"binary_data_size": 4})]}, b"abcd"),
    ("binary_data_size", {"inputs": [given_input(data=None, parameters={"binary_data_size": -1})]}, RAW),
    ("binary_data_size", {"inputs": [given_input(data=None, parameters={"binary_data_size": "3136"})]}, RAW),
    ("from 0", {"inputs": [given_input(data=None, parameters=BINARY)]}, np.full(784, np.nan, np.float32).tobytes()),
    ("from 0", {"inputs": [given_input(data=None, parameters=BINARY)]}, np.full(784, np.inf, np.float32).tobytes()),
    ("from 0", {"inputs": [given_input(data=None, parameters=BINARY)]}, b"\x01\x00\xa0\x7f" * 784),
    ("base64", {"inputs": [given_input(name="IMAGE", datatype="BYTES", shape=[1], data=["§"])]}, b""),
    ("base64", {"inputs": [given_input(name="IMAGE", datatype="BYTES", shape=[1], data=["abc"])]}, b""),
    ("base64", {"inputs": [given_input(name="IMAGE", datatype="BYTES", shape=[1], data=[7])]}, b""),
    ("has 2 elements, not 1", {"inputs": [given_input(name="IMAGE", datatype="BYTES", shape=[2], data=["ab=="])]}, b""),
    ("no output 'NOTHING'", {"inputs": [given_input()], "outputs": [{"name": "NOTHING"}]}, b""),
    ("named twice", {"inputs": [given_input()], "outputs": [{"name": "LABEL"}] * 2}, b""),
    ("outputs.0.name", {"inputs": [given_input()], "outputs": [{}]}, b""),
    (
        "cannot be given as classification",
        {"inputs": [given_input()], "outputs": [{"name": "LABEL", "parameters": {"classification": 1}}]},
        b"",
    ),
    (
        "classification",
        {"inputs": [given_input()], "outputs": [{"name": "PROBABILITIES", "parameters": {"classification": 0}}]},
        b"",
    ),
    (
        "shared memory",
        {"inputs": [given_input()], "outputs": [{"name": "LABEL", "parameters": {"shared_memory_region": "x"}}]},
        b"",
    ),
    ("id: ", {"id": 42, "inputs": [given_input()]}, b""),
    ("parameters.binary_data_output", {"parameters": {"binary_data_output": 1}, "inputs": [given_input()]}, b""),
]


@pytest.mark.parametrize(("words", "told", "behind"), WRONG, ids=[str(place) for place in range(len(WRONG))])
def test_what_is_wrong_is_told(words: str, told: dict[str, Any], behind: bytes) -> None:
    """Each is a bad request whose message names what is wrong."""
    with pytest.raises(BadRequest) as raised:
        read(told, behind)
    assert words in str(raised.value)


def test_strings_that_end_early_are_told() -> None:
    """A length beyond the end, or half a length, is a bad request."""
    for raw in (b"\x05\x00\x00\x00abcd", b"\x01\x00", b"\xff\xff\xff\xff"):
        picture = given_input(
            name="IMAGE", datatype="BYTES", shape=[1], data=None, parameters={"binary_data_size": len(raw)}
        )
        with pytest.raises(BadRequest, match="ends early"):
            read({"inputs": [picture]}, raw)


def test_millions_of_values_are_counted_before_they_are_made() -> None:
    """A few KiB of gzip may hold them; as many as the pictures that are taken have are read."""
    most = [PICTURE[0].tolist()] * 4
    assert sent(read({"inputs": [given_input(shape=[4, 1, 28, 28], data=most)]})).shape == (4, 1, 28, 28)
    packed = gzip.compress(json.dumps({"inputs": [given_input(data=[[]] * 250_000)]}).encode())
    with pytest.raises(BadRequest, match="more than 5,000 values"):
        READER.read(packed, "gzip", None)
    raw = bytes(4 * 250_000)  # files of nothing
    picture = given_input(
        name="IMAGE", datatype="BYTES", shape=[1], data=None, parameters={"binary_data_size": len(raw)}
    )
    with pytest.raises(BadRequest, match="has 1 elements, not more"):
        read({"inputs": [picture]}, raw)


def test_a_single_model_takes_no_files() -> None:
    """IMAGE is the vote's alone."""
    with pytest.raises(BadRequest, match="must be INPUT__0, not IMAGE"):
        read({"inputs": [given_input(name="IMAGE", datatype="BYTES", shape=[1], data=[""])]}, reader=ALONE)


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
)
SHAPES = st.lists(st.integers(0, 29), max_size=5) | st.sampled_from([[1, 1, 28, 28], [1], [2, 1]])
PARAMETERS = st.fixed_dictionaries({}, optional={"binary_data_size": st.integers(-1, 4000) | ANYTHING})
INPUTS = st.fixed_dictionaries(
    {"name": st.sampled_from(["INPUT__0", "IMAGE"]) | st.text(max_size=4), "shape": SHAPES | ANYTHING},
    optional={
        "datatype": st.sampled_from(["FP32", "BYTES", "INT8"]),
        "data": ANYTHING | st.just(NUMBERS),
        "parameters": PARAMETERS | ANYTHING,
    },
)
OUTPUTS = st.fixed_dictionaries(
    {"name": st.sampled_from(["LABEL", "LOGITS", "PROBABILITIES"])}, optional={"parameters": PARAMETERS | ANYTHING}
)
REQUESTS = st.fixed_dictionaries(
    {"inputs": st.lists(INPUTS, max_size=2)},
    optional={"id": ANYTHING, "outputs": st.lists(OUTPUTS, max_size=3), "parameters": ANYTHING},
)
HEADERS = st.none() | st.integers(-2, 300).map(str) | st.text(max_size=4)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    REQUESTS | ANYTHING, st.binary(max_size=20) | st.just(RAW), HEADERS, st.sampled_from(["", "gzip", "deflate", "br"])
)
def test_no_body_is_more_than_refused(told: object, behind: bytes, header: str | None, encoding: str) -> None:
    """Whatever is sent, it is understood, or is the sender's fault in words."""
    text = json.dumps(told).encode()
    for reader in (READER, ALONE):
        for length in (header, str(len(text))):
            told_back = attempt(reader, text + behind, encoding, length)
            if isinstance(told_back, ServiceError):
                assert told_back.status in (400, 415)
                assert str(told_back)
            else:
                assert len(told_back.sent) >= 1


def attempt(reader: Reader, body: bytes, encoding: str, header: str | None) -> Asked | ServiceError:
    """What is asked, or what it is refused by."""
    try:
        return reader.read(body, encoding, header)
    except ServiceError as error:
        return error
