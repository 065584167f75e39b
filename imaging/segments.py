"""A JPEG's segments, walked through before its decoder is asked: few bytes may want much of it."""

import re

from imaging.errors import BrokenPicture

MOST_SEGMENTS = 1000  # photos have some hundred at most, and Pillow takes its time for each
MOST_LOOSE = 1000  # bytes between those before the data, which Pillow goes through one by one
MOST_SCANS = 100  # encoders write about ten; each goes through all pixels, however few bytes it has
_MARKER = re.compile(rb"\xff([\x02-\xcf\xd9-\xfe])")  # of what has a length: restarts and stuffed bytes have none
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = (0xC2, 0xC6, 0xCA, 0xCE)
_SCAN, _END = 0xDA, 0xD9


def is_held(content: bytes) -> bool:
    """Whether a JPEG comes in several scans, so that its decoder holds all coefficients until the last.

    Raises:
        BrokenPicture: if it has more scans, segments or bytes between them than any picture needs.
    """
    held, parts, segments, scans, loose, at = False, 0, 0, 0, 0, 2
    while True:
        found = _MARKER.search(content, at)
        loose += 0 if scans else (found.start() if found else len(content)) - at
        if segments > MOST_SEGMENTS or scans > MOST_SCANS or loose > MOST_LOOSE:
            raise BrokenPicture("It is in more pieces than any picture needs. Save it again as a plain JPEG.")
        if found is None or found[1][0] == _END:
            return held
        marker, at = found[1][0], found.end()
        if marker in _FRAMES:
            held, parts = marker in _PROGRESSIVE, _byte(content, at + 7)
        elif marker == _SCAN:
            held = held or _byte(content, at + 2) < parts
            if not held:
                return False  # its only one, decoded as it comes
            scans += 1
        segments += 1
        at += int.from_bytes(content[at : at + 2])


def _byte(content: bytes, at: int) -> int:
    return int.from_bytes(content[at : at + 1])
