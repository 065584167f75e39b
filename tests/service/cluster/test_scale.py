import pytest
from pydantic import ValidationError

from service.cluster.scale import Scale
from service.settings import Settings


def test_a_range_is_written_with_a_colon_or_as_one_number() -> None:
    """`1:4` is from one to four replicas, `2` always two."""
    scale = Scale.model_validate({"vote": "1:4", "ingress": "2", "decode": 3})
    assert (scale.vote, scale.ingress, scale.decode) == ((1, 4), (2, 2), (3, 3))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"vote": "4:1"}, "no more than the second"),
        ({"vote": "0"}, "at least 1"),
        ({"vote": "many"}, "write MIN:MAX"),
        ({"vote": [2, 1]}, "no more than the second"),
        ({"cpus": 0}, "greater than 0"),
        ({"voters": "1"}, "Extra inputs"),
    ],
)
def test_a_wrong_scale_is_refused_with_what_is_allowed(given: dict[str, object], told: str) -> None:
    """What cannot be a number of replicas, or is no option, is an error that says so."""
    with pytest.raises(ValidationError, match=told):
        Scale.model_validate(given)


def test_a_replica_of_the_models_has_the_threads_of_its_cpus() -> None:
    """A batch has as many threads as its replica has CPUs, and DIGITVOTE_THREADS if it is set."""
    assert Scale(cpus=4).of_vote(Settings()).batch_threads == 4
    assert Scale(cpus=0.5).of_vote(Settings()).batch_threads == 1
    assert Scale(cpus=4).of_vote(Settings(threads=2)).batch_threads == 2


def test_every_queue_is_bounded() -> None:
    """No deployment takes or keeps more calls than so many, and a GPU is asked for as an option says."""
    scale, settings = Scale(gpus=0.25), Settings(queue=100, max_batch=8)
    for options in (scale.for_ingress(settings), scale.for_decode(settings), scale.for_vote(settings)):
        assert 0 < options["max_queued_requests"] <= 100
        assert 0 < options["max_ongoing_requests"] < 200
    assert scale.for_vote(settings)["ray_actor_options"] == {"num_cpus": 1, "num_gpus": 0.25}
