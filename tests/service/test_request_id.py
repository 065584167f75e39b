import re
import time

from service import request_id


def test_new_ids_are_ulids_that_sort_by_time() -> None:
    """A new id is 26 characters of Crockford's base 32, unlike any other, later ones after earlier ones."""
    first = request_id.new()
    time.sleep(0.002)
    second = request_id.new()
    assert re.fullmatch(r"[0-7][0-9A-HJKMNP-TV-Z]{25}", first)
    assert first < second
    assert len({request_id.new() for _ in range(1000)}) == 1000


def test_a_sane_id_is_kept_and_another_replaced() -> None:
    """The caller's id is used as it is, unless it would spoil a log line or a header."""
    assert request_id.accept("trace-7:a/b") == "trace-7:a/b"
    for odd in (None, "", "a b", "a\nb", "x" * 129, "é"):
        assert len(request_id.accept(odd)) == 26
