"""A request's id: the caller's own `X-Request-ID` if it is sane, else a new one."""

import re
import secrets
import time

HEADER = "X-Request-ID"

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_SANE = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")


def new() -> str:
    """A ULID: 48 bits of milliseconds and 80 random bits in Crockford's base 32, so that ids sort by time."""
    number = (time.time_ns() // 1_000_000) << 80 | secrets.randbits(80)
    return "".join([_ALPHABET[number >> shift & 31] for shift in range(125, -1, -5)])


def accept(value: str | None) -> str:
    """The caller's id, or a new one where it has none or one that does not belong in a log line."""
    return value if value is not None and _SANE.fullmatch(value) else new()
