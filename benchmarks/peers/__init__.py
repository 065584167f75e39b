"""Other serving frameworks, each set up as its own docs recommend for batching, on the same three models.

Decoding and answer are those of `benchmarks.plain`. Each is installed into .venv-peers/<name> from
requirements-<name>.txt by `python -m benchmarks.peers.install`, and borrows torch from the environment that did it.
"""

from functools import partial

from benchmarks.load import ROOT
from benchmarks.servers import Server
from benchmarks.uploads import inference_protocol, multipart

ENVIRONMENTS = ROOT / ".venv-peers"
MAX_BATCH = 32  # as many as there are clients


def _command(name: str) -> tuple[str, ...]:
    return str(ENVIRONMENTS / name / "bin" / "python"), "-m", f"benchmarks.peers.{name}_server", "{port}"


def servers() -> list[Server]:
    """The peers."""
    return [
        Server("litserve", _command("litserve")),
        Server("bentoml", _command("bentoml"), ready="/readyz", pack=partial(multipart, field="pictures")),
        Server("ray", _command("ray"), ready="/-/healthz"),
        Server(
            "mlserver",
            _command("mlserver"),
            path="/v2/models/digits/infer",
            ready="/v2/models/digits/ready",
            label=r'"name":"label".*?"data":\[(\d)',
            pack=inference_protocol,
        ),
    ]
