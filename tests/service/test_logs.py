import subprocess
import sys
from base64 import b64encode
from pathlib import Path

import httpx
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tests.support import ROOT, drawing, encoded, serving

KEY, WRONG, INK = "lab-key-0123456789", "wrong-key-0123456789", "a-secret-on-a-picture"

_RAISES = """
import sys

import structlog

from service import logs

logs.configure(sys.argv[1], "debug")

def read(content, key):
    raise KeyError("unforeseen")

try:
    read(*sys.argv[2:])
except KeyError:
    structlog.get_logger("service").exception("unexpected error")
"""


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_traceback_shows_no_values(form: str) -> None:
    """An error that nobody foresaw is logged with where it was raised, and without what its functions were given."""
    command = [sys.executable, "-c", _RAISES, form, INK, KEY]
    logged = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stderr
    assert "unexpected error" in logged
    assert "in read" in logged
    assert KEY not in logged
    assert INK not in logged


_DRIVES = """
import sys

import structlog

from service import logs

logs.configure(sys.argv[1], "debug")
structlog.get_logger("service").info("request", path="/\\x1b[2Jred\\x07\\x9b31m", key="name")
"""


@pytest.mark.parametrize("form", ["json", "console"])
def test_no_sender_drives_the_terminal(form: str) -> None:
    """Control characters of a path are written as escapes, in lines for terminals too."""
    command = [sys.executable, "-X", "utf8", "-c", _DRIVES, form]
    logged = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, encoding="utf-8").stderr
    assert "[2Jred" in logged
    assert not any(sent in logged for sent in ("\x1b[2J", "\x07", "\x9b"))


def marked() -> dict[str, bytes]:
    """Pictures that hold words, in their metadata and as their bytes, and one that is cut off amid them."""
    text = PngInfo()
    text.add_text("Comment", INK)
    tiff = encoded(drawing(), "TIFF", description=INK)
    png = encoded(drawing(), "PNG", pnginfo=text)
    exif = Image.Exif()
    exif[0x010E] = INK
    return {
        "tiff": tiff,
        "png": png,
        "jpeg": encoded(drawing(), "JPEG", exif=exif, comment=INK.encode()),
        "cut": png[: png.index(INK.encode()) + 4],
        "torn": tiff[: len(tiff) // 2] + INK.encode(),
        "none": INK.encode() * 100,
    }


@pytest.mark.parametrize("form", ["json", "console"])
def test_no_picture_and_no_key_is_ever_logged(artifacts: Path, form: str) -> None:
    """At the lowest level nothing of what was sent stands there, be it answered or refused; the key's name does."""
    pictures = marked()
    with serving(artifacts, api_keys=f"workshop:{KEY}", log=form, log_level="debug") as server:
        for content in pictures.values():
            for path in ("/predict", "/read", "/predict/batch", f"/predict?explain={KEY}"):
                for sent in ({"X-API-Key": KEY}, {"Authorization": f"Bearer {WRONG}"}, {}):
                    httpx.post(server.url + path, files={"file": ("seven.png", content)}, headers=sent)
        good = httpx.post(f"{server.url}/predict", files={"file": pictures["png"]}, headers={"X-API-Key": KEY})
        assert good.status_code == 200
        assert server.stop() == 0
    log = "".join(server.output)
    assert log.count("/predict/batch") >= 3 * len(pictures)
    assert "workshop" in log
    for secret in (KEY, WRONG, INK, *(b64encode(each).decode()[:40] for each in pictures.values())):
        assert secret not in log
    for content in pictures.values():
        for start in range(0, len(content) - 24, 24):
            piece = content[start : start + 24]
            assert repr(piece)[2:-1] not in log
            assert piece.hex() not in log
