import pytest

from service.keys import Key, name_of, read_keys, sent_key

KEY, OTHER = "k" * 16, "o" * 256


def test_a_key_is_kept_as_its_digest_alone() -> None:
    """Neither the key nor its digest is in what a Key shows or holds by its own name."""
    (key,) = read_keys(f"lab:{KEY}")
    assert repr(key) == "Key(name='lab')"
    assert KEY.encode() not in key.digest
    assert len(key.digest) == 32


def test_each_key_has_a_name_and_a_name_may_have_several() -> None:
    """While a key is replaced the old and the new one have one name; what is none of them has none."""
    keys = read_keys(f"lab:{KEY}, lab:{OTHER},desk:{'d' * 20}")
    assert [key.name for key in keys] == ["lab", "lab", "desk"]
    assert [name_of(keys, sent.encode()) for sent in (KEY, OTHER, "d" * 20)] == ["lab", "lab", "desk"]
    assert [name_of(keys, sent) for sent in (b"", KEY[:-1].encode(), b"\xff" * 1000)] == [None] * 3


@pytest.mark.parametrize(
    "text", [KEY, f"lab:{KEY[:-1]}", f"{KEY}:lab", f"lab:{KEY},", f"la b:{KEY}", f"lab:{KEY}\u00e4", f"a:{KEY},b:{KEY}"]
)
def test_what_is_no_list_of_keys_is_told_without_being_shown(text: str) -> None:
    """The error names the place of an entry and what one is; nothing of it stands there, not even its name."""
    with pytest.raises(ValueError, match=r"entry \d|twice") as error:
        read_keys(text)
    assert KEY[:-1] not in str(error.value)
    assert "lab" not in str(error.value)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([], None),
        ([(b"authorization", b"Bearer  abc ")], b"abc"),
        ([(b"authorization", b"bearer abc")], b"abc"),
        ([(b"authorization", b"Basic abc")], None),
        ([(b"x-api-key", b"abc ")], b"abc"),
        ([(b"x-api-key", b"other"), (b"authorization", b"Bearer abc")], b"abc"),
        ([(b"authorization", b"Basic abc"), (b"x-api-key", b"other")], b"other"),
    ],
)
def test_a_key_is_sent_by_either_header(headers: list[tuple[bytes, bytes]], expected: bytes | None) -> None:
    """Authorization: Bearer, in any case, goes before X-API-Key; another scheme is no key."""
    assert sent_key(headers) == expected


def test_two_keys_are_equal_by_name_and_digest() -> None:
    """So that settings with other keys differ."""
    assert read_keys(f"lab:{KEY}") == read_keys(f" lab:{KEY} ") != read_keys(f"lab:{OTHER}")
    assert read_keys(f"lab:{KEY}")[0] != Key("lab", b"")
