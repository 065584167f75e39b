import pickle

import pytest

pytest.importorskip("ray", reason="ray is not installed: pip install 'digitvote[ray]'")

from ray.exceptions import ActorDiedError, ActorUnavailableError, RayTaskError
from ray.serve._private.common import DeploymentID
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError

from service.cluster.trouble import as_service_error
from service.errors import BrokenPicture, all_errors


def test_what_ray_says_becomes_a_row_of_the_table() -> None:
    """A full queue is 503 busy, a lost replica 503 not-ready, what nobody foresaw in our own code 500."""
    unforeseen = RayTaskError("run", "traceback", ValueError("x"))  # type: ignore[no-untyped-call]
    gone = ActorUnavailableError("gone", bytes(16)), DeploymentUnavailableError(DeploymentID("vote"))
    assert as_service_error(BackPressureError(num_queued_requests=9, max_queued_requests=9)).name == "busy"
    for lost in (ActorDiedError(), *gone):
        assert as_service_error(lost).name == "not-ready"
    assert (as_service_error(unforeseen).status, str(as_service_error(unforeseen)).count("traceback")) == (500, 0)


def test_every_error_keeps_its_words_on_the_way() -> None:
    """Each row of the table is the same after it was sent to another process."""
    for row in all_errors():
        sent = pickle.loads(pickle.dumps(row("what was wrong")))
        assert (type(sent), str(sent)) == (row, "what was wrong")
    assert as_service_error(BrokenPicture("cut")).name == "broken-picture"
