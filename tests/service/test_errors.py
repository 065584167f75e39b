import json

from service.errors import MEDIA_TYPE, Busy, ServiceError, all_errors, problem, responses


def test_every_error_has_a_name_and_words_of_its_own() -> None:
    """No two rows of the table share a name or a title, and each says what to do."""
    rows = all_errors()
    assert len({row.name for row in rows}) == len({row.title for row in rows}) == len(rows)
    assert all(400 <= row.status < 600 and len(row.default) > 20 for row in rows)


def test_an_answer_carries_the_row() -> None:
    """A problem holds the row's status and title, the detail that was given, and the request's id."""
    answer = problem(ServiceError("of this request"), "id-1")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == MEDIA_TYPE
    assert json.loads(bytes(answer.body)) == {
        "type": "urn:digitvote:internal",
        "title": ServiceError.title,
        "status": 500,
        "detail": "of this request",
        "request_id": "id-1",
    }


def test_busy_says_when_to_come_back() -> None:
    """A 503 carries Retry-After."""
    assert problem(Busy(), "id").headers["retry-after"] == "1"


def test_the_openapi_page_shows_every_error_of_a_status() -> None:
    """Errors that share a status are shown side by side, an example each."""
    shown = responses(*all_errors())
    for row in all_errors():
        example = shown[row.status]["content"][MEDIA_TYPE]["examples"][row.name]["value"]
        assert example["detail"] == row.default
