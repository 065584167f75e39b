"""Whatever is sent, the service answers as it documents, in time, and goes on reading digits."""

from collections.abc import Iterator

import pytest

from tests.hostile.corpus import KINDS, corpus, table, tried
from tests.hostile.send import Answer, Service
from tests.support import RELEASE, serving

_MEMORY = 256  # MiB that it may take beyond what it had


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    """The real models behind a real server that gives a body two seconds to come."""
    with serving(RELEASE, body_seconds=2, head_seconds=2) as process:
        yield Service(process.url, process.process.pid)


def test_the_corpus_is_large_and_the_same_each_time() -> None:
    """There are more than 200 cases, no two of a kind have one name, and each run makes the same bytes."""
    assert sum(len(corpus(kind)) for kind in KINDS) > 200
    for kind in KINDS:
        cases = corpus(kind)
        assert len({case.name for case in cases}) == len(cases), kind
    for kind in ("PNG, bombs", "JPEG, cut", "ZIP, names", "form, framing"):
        assert corpus.__wrapped__(kind) == corpus(kind)


@pytest.mark.parametrize("kind", KINDS)
def test_each_is_answered_as_documented_and_a_good_digit_after_it(service: Service, kind: str) -> None:
    """No case gives a 5xx, an undocumented status, an error in another form or a hang, nor spoils the next answer."""
    for number, case in enumerate(corpus(kind)):
        tried(
            service, case, [case.requests[number % len(case.requests)]]
        )  # all of them: python -m tests.hostile.corpus


def test_neither_memory_nor_descriptors_are_left_behind(service: Service) -> None:
    """After all of them the process has as many descriptors as before, and never had much more memory."""
    assert service.peak() - service.before < _MEMORY


def test_the_table_counts_cases_requests_and_statuses() -> None:
    """A row for each kind, with what was answered, and a sum."""
    found = table({"a": [[Answer(200, 1.0), Answer(0, 2.5)]], "b": [[Answer(415, 0.1)], [Answer(415, 0.2)]]})
    assert found.splitlines()[2:] == [
        "| a | 1 | 2 | 200: 1, closed: 1 | 2.50 |",
        "| b | 2 | 2 | 415: 2 | 0.20 |",
        "| all | 3 | 4 | | |",
    ]
