"""API keys: read from a setting, kept as digests alone, and found again by what a request sends."""

import hashlib
import hmac
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

_ENTRY = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.-]{0,63}):([A-Za-z0-9._~+/=-]{16,256})")
_BEARER = b"bearer "


@dataclass(frozen=True)
class Key:
    """A key's name, which is told and counted, and the SHA-256 of the key, which is not kept itself."""

    name: str
    digest: bytes = field(repr=False)


def read_keys(text: str) -> tuple[Key, ...]:
    """The keys of `name:key,name:key`; several may have one name, as while one is replaced by the next.

    Raises:
        ValueError: naming a wrong entry by its place, as whatever stands there may be a key.
    """
    keys: list[Key] = []
    for place, entry in enumerate(text.split(","), 1):
        found = _ENTRY.fullmatch(entry.strip())
        if found is None:
            raise ValueError(f"entry {place} is not name:key with a key of 16 to 256 of A-Z a-z 0-9 . _ ~ + / = -")
        keys.append(Key(found[1], _digest(found[2].encode())))
    if len({key.digest for key in keys}) < len(keys):
        raise ValueError("one key stands there twice: each needs a key of its own")
    return tuple(keys)


def sent_key(headers: Iterable[tuple[bytes, bytes]]) -> bytes | None:
    """The key of a request's raw headers, as `Authorization: Bearer` or `X-API-Key`; None where there is none."""
    found = None
    for name, value in headers:
        if name == b"authorization" and value[: len(_BEARER)].lower() == _BEARER:
            return value[len(_BEARER) :].strip()
        if name == b"x-api-key":
            found = value.strip()
    return found


def name_of(keys: Sequence[Key], sent: bytes) -> str | None:
    """The name of the key that was sent, or None; takes as long whichever it is, and if it is none."""
    digest = _digest(sent)
    found = None
    for key in keys:
        if hmac.compare_digest(digest, key.digest):
            found = key.name
    return found


def _digest(key: bytes) -> bytes:
    # Not a slow hash: keys are random, and there is nothing to guess them by.
    return hashlib.sha256(key).digest()
