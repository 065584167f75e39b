"""An inference request as it is understood: what is to be voted on, and which outputs are wanted."""

from collections.abc import Sequence
from dataclasses import dataclass

from registry.rules import Floats
from service.errors import BadRequest
from service.oip import tensors
from service.oip.answer import Wanted, wanted
from service.oip.body import read, split, unpack
from service.oip.models import IMAGE, Port
from service.oip.schemas import InferRequest

_VALUES = 1000  # in JSON of a picture, whose pixels are 784 and their lists 30, and of all that is beside the pictures


@dataclass(frozen=True)
class Asked:
    """Pictures [N, 1, 28, 28] or picture files, and what is wanted of them."""

    id: str | None
    sent: Floats | list[bytes]
    outputs: list[Wanted]


@dataclass(frozen=True)
class Reader:
    """Reads requests to one model: of these tensors, so many bytes and so many pictures at most."""

    inputs: Sequence[Port]
    outputs: Sequence[Port]
    max_bytes: int
    max_pictures: int

    def read(self, body: bytes, encoding: str, header: str | None) -> Asked:
        """The request in a body, by the values of its `Content-Encoding` and `Inference-Header-Content-Length`.

        Raises:
            BadRequest: if it is not as the protocol has it, or the model takes or gives no such tensors.
            UnknownEncoding, BodyTooLarge: as `unpack` does.
        """
        text, rest = split(unpack(body, encoding, self.max_bytes), header)
        asked = read(InferRequest, text, _VALUES * (1 + self.max_pictures))
        names = [port.name for port in self.inputs]
        if len(asked.inputs) > 1 or asked.inputs[0].name not in names:
            told = ", ".join(each.name[:64] for each in asked.inputs)
            raise BadRequest(f"The input must be {' or '.join(names)}, not {told}.")
        sent = asked.inputs[0]
        take = tensors.files if sent.name == IMAGE else tensors.pictures
        given = take(sent, tensors.behind(sent, rest), self.max_pictures)
        return Asked(asked.id, given, wanted(asked, self.outputs))
