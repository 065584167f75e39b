"""A picture in every format and kind of pixels that is read, and what transport and malice may make of such a file."""

from functools import cache
from random import Random
from typing import Any

import numpy as np
from PIL import Image

from tests.mnist import digits
from tests.support import encoded

_HEAD = 96  # bytes from the start: in half of all cases the damage is there, where sizes and kinds stand
_NASTY = (0, 1, 127, 128, 255)


@cache
def files() -> dict[str, bytes]:
    """A number of two digits as files, by what they are."""
    strip = np.concatenate([digits()[0], digits()[1]], axis=1)
    page = Image.fromarray(255 - strip)
    colour, clear = page.convert("RGB"), page.convert("RGBA")
    clear.putalpha(Image.fromarray(strip))
    other = Image.eval(page, lambda value: 255 - value)
    exif = Image.Exif()
    exif[0x0112] = 6
    several: dict[str, Any] = {"save_all": True, "append_images": [other]}
    return {
        "PNG": encoded(page, exif=exif),
        "PNG, colour": encoded(colour),
        "PNG, transparent": encoded(clear),
        "PNG, palette": encoded(colour.quantize(8)),
        "PNG, bits": encoded(page.convert("1")),
        "PNG, 16 bits": encoded(Image.fromarray(np.asarray(page, np.uint16) * 257)),
        "PNG, animated": encoded(page, **several),
        "JPEG": encoded(colour, "JPEG", exif=exif),
        "JPEG, progressive": encoded(colour, "JPEG", progressive=True),
        "JPEG, CMYK": encoded(colour.convert("CMYK"), "JPEG"),
        "WEBP": encoded(colour, "WEBP"),
        "WEBP, lossless, transparent": encoded(clear, "WEBP", lossless=True),
        "WEBP, animated": encoded(colour, "WEBP", **several),
        "GIF": encoded(page, "GIF"),
        "GIF, animated": encoded(page, "GIF", **several),
        "BMP": encoded(colour, "BMP"),
        "BMP, palette": encoded(page, "BMP"),
        "TIFF": encoded(page, "TIFF"),
        "TIFF, LZW": encoded(colour, "TIFF", compression="tiff_lzw"),
        "TIFF, deflated": encoded(clear, "TIFF", compression="tiff_adobe_deflate"),
        "TIFF, JPEG": encoded(colour, "TIFF", compression="jpeg"),
        "TIFF, float": encoded(Image.fromarray(np.asarray(page, np.float32)), "TIFF"),
        "TIFF, pages": encoded(page, "TIFF", **several),
    }


def damaged(content: bytes, random: Random) -> bytes:
    """The bytes with up to eight of them changed, parts left out, doubled or mixed up, and perhaps cut short."""
    broken = bytearray(content)
    for _ in range(random.randint(1, 8)):
        if not broken:
            break
        at = random.randrange(min(len(broken), _HEAD) if random.random() < 0.5 else len(broken))
        length = random.randint(1, 32)
        way = random.randrange(6)
        if way <= 2:
            broken[at] = random.choice(_NASTY) if way else random.randrange(256)
        elif way == 3:
            del broken[at : at + length]
        elif way == 4:
            broken[at:at] = broken[at : at + length]
        else:
            broken[at : at + length] = bytes(random.randrange(256) for _ in broken[at : at + length])
    return bytes(broken[: random.randrange(len(broken) + 1)] if random.random() < 0.2 else broken)
