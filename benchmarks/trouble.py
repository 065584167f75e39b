"""python -m benchmarks.trouble FOLDER [--each N] [--first ROW] [--kinds KIND...] [--seed S]

Writes MNIST digits of tests/data in every kind of trouble that uploads have, as FOLDER/<kind>/<label>/<n>.<ext>,
for `python -m benchmarks.pictures FOLDER`. `clean` is what the others are held against; the same seed gives the same
pictures.
"""

import argparse
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from registry.rules import Floats
from tests.mnist import digits, labels

Random = np.random.Generator
_DETAIL = 140  # pixels a side at which a digit's strokes are followed


def strokes(digit: Floats, size: int, width: float) -> Floats:
    """A digit [28, 28] drawn anew with a pen: ink [size, size] in 0..1, strokes `width` of its side wide."""
    large = cv2.resize(digit, (_DETAIL, _DETAIL), interpolation=cv2.INTER_CUBIC) > 0.5
    away = cv2.distanceTransform((~skeleton(large)).astype(np.uint8), cv2.DIST_L2, 5)
    away = cv2.resize(away, (size, size), interpolation=cv2.INTER_LINEAR) * np.float32(size / _DETAIL)
    return np.asarray(np.clip(max(1, width * size) / 2 + 0.5 - away, 0, 1), dtype=np.float32)


def skeleton(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The centre lines of a mask's strokes, a pixel wide (Zhang and Suen 1984)."""
    thin = np.pad(mask, 1)
    while True:
        before = thin.copy()
        for second in (False, True):
            around = [np.roll(thin, shift, (0, 1)) for shift in _AROUND]
            up, right, down, left = (around[index] for index in (0, 2, 4, 6))
            count = sum(part.astype(int) for part in around)
            changes = sum((~a & b).astype(int) for a, b in zip(around, [*around[1:], around[0]], strict=True))
            if second:
                free = ~(up & right & left) & ~(up & down & left)
            else:
                free = ~(up & right & down) & ~(right & down & left)
            thin &= ~((count >= 2) & (count <= 6) & (changes == 1) & free)
        if (thin == before).all():
            return thin[1:-1, 1:-1]


_AROUND = [(1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1)]  # clockwise from above


def soft(digit: Floats, size: int) -> Floats:
    """A digit [28, 28] enlarged with its own strokes: ink [size, size] in 0..1."""
    large = cv2.resize(digit, (size, size), interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.clip((large - 0.5) * max(1.0, size / 56) + 0.5, 0, 1), dtype=np.float32)


def placed(ink: NDArray[Any], height: int, width: int, random: Random) -> Floats:
    """Ink somewhere on a page [height, width], whole."""
    rows, columns = np.flatnonzero(ink.max(1) > 0.1), np.flatnonzero(ink.max(0) > 0.1)
    ink = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    sheet = np.zeros((height, width), np.float32)
    top, left = (int(random.integers(2, room - size - 1)) for room, size in zip(sheet.shape, ink.shape, strict=True))
    sheet[top : top + ink.shape[0], left : left + ink.shape[1]] = ink
    return sheet


def inked(sheet: Floats, paper: Floats | float = 0.9, pen: float = 0.15) -> Floats:
    """Brightness of ink on paper."""
    return np.asarray(paper + (pen - paper) * sheet, dtype=np.float32)


def grained(page: NDArray[Any], random: Random, amount: float = 0.01) -> Image.Image:
    """What a camera makes of a page: a little noise, 8 bits."""
    noisy = page + random.normal(0, amount, page.shape)
    return Image.fromarray((np.clip(noisy, 0, 1) * 255).round().astype(np.uint8))


def texture(shape: tuple[int, int], random: Random, amount: float) -> Floats:
    """The tooth of paper: noise at several sizes, around 0."""
    fine = random.normal(0, 1, shape).astype(np.float32)
    made = sum((lambda part: part / part.std())(cv2.GaussianBlur(fine, (0, 0), sigma)) for sigma in (0.8, 2, 5))
    return np.asarray(made * np.float32(amount / 3**0.5), dtype=np.float32)


def rules(page: Floats, random: Random, *, squared: bool) -> Floats:
    """Printed lines on a page, ruled or squared, fainter than ink and slightly turned."""
    height, width = page.shape
    step = max(height, width) / random.uniform(7, 14)
    lines = np.zeros((height, width), np.uint8)
    slope = random.uniform(-0.01, 0.01)
    thick = max(1, round(max(height, width) / 400))
    for place in np.arange(random.uniform(0, step), height, step):
        cv2.line(lines, (0, round(place)), (width, round(place + slope * width)), 255, thick, cv2.LINE_AA)
    for place in np.arange(random.uniform(0, step), width, step) if squared else ():
        cv2.line(lines, (round(place), 0), (round(place - slope * height), height), 255, thick, cv2.LINE_AA)
    return np.minimum(page, 0.9 - np.float32(random.uniform(0.15, 0.45)) * lines.astype(np.float32) / 255)


def file(image: Image.Image, form: str = "PNG", **options: Any) -> tuple[bytes, str]:
    """A picture as a file's bytes and its name's ending."""
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue(), {"JPEG": "jpg"}.get(form, form.lower())


def _sheet(digit: Floats, random: Random) -> Floats:
    return placed(soft(digit, 280), 320, 300, random)


def _page(digit: Floats, random: Random) -> Image.Image:
    return grained(inked(_sheet(digit, random)), random, 0.0)


def _clean(digit: Floats, random: Random) -> tuple[bytes, str]:
    return file(_page(digit, random))


def _inverted(digit: Floats, random: Random) -> tuple[bytes, str]:
    return file(Image.eval(_page(digit, random), lambda value: 255 - value))


def _turned(digit: Floats, random: Random) -> tuple[bytes, str]:
    orientation, turn = [(3, 180), (6, 90), (8, 270)][int(random.integers(3))]
    exif = Image.Exif()
    exif[0x0112] = orientation
    return file(_page(digit, random).rotate(turn, expand=True), "JPEG", exif=exif)


def _sixteen_bit(digit: Floats, random: Random) -> tuple[bytes, str]:
    return file(Image.fromarray((inked(_sheet(digit, random)) * 65535).astype(np.uint16)))


def _twelve_bit(digit: Floats, random: Random) -> tuple[bytes, str]:
    return file(Image.fromarray((inked(_sheet(digit, random)) * 4095).astype(np.uint16)), "TIFF")


def _cmyk(digit: Floats, random: Random) -> tuple[bytes, str]:
    return file(_page(digit, random).convert("RGB").convert("CMYK"), "JPEG")


def _palette(digit: Floats, random: Random) -> tuple[bytes, str]:
    return file(_page(digit, random).convert("RGB").quantize(4 + int(random.integers(12))))


def _one_bit(digit: Floats, random: Random) -> tuple[bytes, str]:
    return file(_page(digit, random).convert("1", dither=Image.Dither.NONE))


def _transparent(digit: Floats, random: Random, ink: tuple[int, int, int]) -> tuple[bytes, str]:
    sheet = _sheet(digit, random)
    layer = Image.new("RGBA", (sheet.shape[1], sheet.shape[0]), (*ink, 0))
    layer.putalpha(Image.fromarray((sheet * 255).astype(np.uint8)))
    return file(layer)


def _dark_on_nothing(digit: Floats, random: Random) -> tuple[bytes, str]:
    return _transparent(digit, random, (20, 20, 80))


def _light_on_nothing(digit: Floats, random: Random) -> tuple[bytes, str]:
    return _transparent(digit, random, (250, 220, 90))


def _white_on_nothing(digit: Floats, random: Random) -> tuple[bytes, str]:
    return _transparent(digit, random, (255, 255, 255))


def _coloured(digit: Floats, random: Random) -> tuple[bytes, str]:
    sheet = _sheet(digit, random)[..., np.newaxis]
    papers = [(255, 255, 255), (250, 240, 150), (120, 200, 120), (30, 60, 140)]
    pens = [(255, 200, 0), (60, 120, 250), (230, 60, 60), (240, 240, 60)]
    choice = int(random.integers(len(pens)))
    mixed = np.asarray(papers[choice]) * (1 - sheet) + np.asarray(pens[choice]) * sheet
    return file(Image.fromarray(mixed.astype(np.uint8)))


def _small(digit: Floats, random: Random) -> tuple[bytes, str]:
    page = inked(placed(soft(digit, 210), 1200, 1200, random)) + texture((1200, 1200), random, 0.03)
    return file(grained(page, random), "JPEG", quality=85)


def _small_plain(digit: Floats, random: Random) -> tuple[bytes, str]:
    return file(grained(inked(placed(soft(digit, 120), 700, 700, random)), random, 0.005))


def _ruled(digit: Floats, random: Random) -> tuple[bytes, str]:
    sheet = placed(strokes(digit, 330, 0.045), 480, 480, random)
    return file(grained(np.minimum(inked(sheet), rules(inked(sheet), random, squared=False)), random), "JPEG")


def _squared(digit: Floats, random: Random) -> tuple[bytes, str]:
    sheet = placed(strokes(digit, 330, 0.045), 480, 480, random)
    return file(grained(np.minimum(inked(sheet), rules(inked(sheet), random, squared=True)), random), "JPEG")


def _framed(digit: Floats, random: Random) -> tuple[bytes, str]:
    page = inked(placed(soft(digit, 300), 360, 360, random))
    whole = np.full((480, 480), 0.9, np.float32)
    whole[60:420, 60:420] = page
    image = cv2.rectangle(whole, (50, 46), (432, 430), 0.2, int(random.integers(2, 8)))
    if random.random() < 0.5:  # a table's lines go on
        for place in (46, 430):
            image = cv2.line(image, (0, place), (480, place), 0.2, 3)
    return file(grained(np.asarray(image, np.float32), random), "JPEG")


def _shadow(digit: Floats, random: Random) -> tuple[bytes, str]:
    sheet = placed(soft(digit, 280), 400, 400, random)
    light = np.linspace(1, random.uniform(0.3, 0.5), 400) * np.linspace(1, 0.8, 400)[:, np.newaxis]
    turns = int(random.integers(4))
    return file(grained(inked(sheet) * np.rot90(light, turns), random), "JPEG")


def _shadow_edge(digit: Floats, random: Random) -> tuple[bytes, str]:
    sheet = placed(soft(digit, 280), 400, 400, random)
    rows, columns = np.mgrid[:400, :400]
    angle = random.uniform(0, 2 * np.pi)
    beyond = (rows - 200) * np.sin(angle) + (columns - 200) * np.cos(angle) - random.uniform(-80, 80)
    light = 0.6 + 0.4 / (1 + np.exp(-beyond / 6))
    return file(grained(inked(sheet) * light, random), "JPEG")


def _vignette(digit: Floats, random: Random) -> tuple[bytes, str]:
    sheet = placed(soft(digit, 240), 400, 400, random)
    rows, columns = np.mgrid[-1:1:400j, -1:1:400j]
    return file(grained(inked(sheet) * (1 - 0.35 * (rows**2 + columns**2)), random), "JPEG")


def _textured(digit: Floats, random: Random) -> tuple[bytes, str]:
    sheet = placed(soft(digit, 300), 420, 420, random)
    return file(grained(inked(sheet, 0.7, 0.25) + texture((420, 420), random, 0.06), random), "JPEG")


def _jpeg(digit: Floats, random: Random) -> tuple[bytes, str]:
    return file(grained(inked(placed(soft(digit, 84), 100, 100, random)), random, 0.0), "JPEG", quality=8)


def _faint(digit: Floats, random: Random) -> tuple[bytes, str]:
    sheet = placed(strokes(digit, 280, 0.05), 400, 400, random)
    return file(grained(inked(sheet, 0.85, 0.80), random, 0.008), "JPEG", quality=90)


def _faint_light(digit: Floats, random: Random) -> tuple[bytes, str]:
    return file(grained(inked(_sheet(digit, random), 0.30, 0.36), random, 0.004))


def _thin(digit: Floats, random: Random) -> tuple[bytes, str]:
    size = int(random.choice([100, 300, 900]))
    return file(grained(inked(placed(strokes(digit, size, 0.007), size + 60, size + 40, random)), random, 0.0))


def _thick(digit: Floats, random: Random) -> tuple[bytes, str]:
    return file(grained(inked(placed(strokes(digit, 300, 0.13), 400, 400, random)), random, 0.0))


def _tiny(digit: Floats, random: Random) -> tuple[bytes, str]:
    small = cv2.resize(digit, (18, 18), interpolation=cv2.INTER_AREA)
    return file(grained(inked(placed(small, 20, 20, random)), random, 0.0))


def _huge(digit: Floats, random: Random) -> tuple[bytes, str]:
    size = int(random.integers(1500, 2900))
    width = float(random.choice([0.006, 0.03, 0.12]))
    return file(grained(inked(placed(strokes(digit, size, width), 3000, 4000, random)), random, 0.0), "JPEG")


def _tight(digit: Floats, random: Random) -> tuple[bytes, str]:
    ink = soft(digit, 280)
    rows, columns = np.flatnonzero(ink.max(1) > 0.5), np.flatnonzero(ink.max(0) > 0.5)
    return file(grained(inked(ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]), random))


def _at_an_edge(digit: Floats, random: Random) -> tuple[bytes, str]:
    page = np.pad(_sheet(digit, random), 0)
    rows, columns = np.flatnonzero(page.max(1) > 0.5), np.flatnonzero(page.max(0) > 0.5)
    cut = [page[rows[0] + 1 :], page[: rows[-1]], page[:, columns[0] + 1 :], page[:, : columns[-1]]]
    return file(grained(inked(cut[int(random.integers(4))]), random))


def _specks(digit: Floats, random: Random) -> tuple[bytes, str]:
    page = inked(placed(soft(digit, 280), 400, 400, random))
    for _ in range(int(random.integers(5, 25))):
        place = random.integers(0, 400, 2).tolist()
        page = np.asarray(cv2.circle(page, place, int(random.integers(1, 5)), 0.2, -1, cv2.LINE_AA), np.float32)
    return file(grained(page, random))


def _neighbours(digit: Floats, random: Random) -> tuple[bytes, str]:
    page = np.zeros((400, 420), np.float32)
    page[60:340, 70:350] = soft(digit, 280)
    for left in (-170, 330):  # cut off by the edges
        other = soft(digits()[int(random.integers(len(digits())))].astype(np.float32) / 255, 280)
        first, last = max(0, left), min(420, left + 280)
        page[60:340, first:last] = np.maximum(page[60:340, first:last], other[:, first - left : last - left])
    return file(grained(inked(page), random))


def _detached(digit: Floats, random: Random) -> tuple[bytes, str]:
    sheet = soft(digit, 280)
    rows, columns = np.nonzero(skeleton(sheet > 0.5))
    for _ in range(2):  # the pen was lifted twice
        at = int(random.integers(len(rows)))
        sheet = np.asarray(cv2.circle(sheet, (int(columns[at]), int(rows[at])), 8, 0.0, -1, cv2.LINE_AA), np.float32)
    return file(grained(inked(placed(sheet, 400, 400, random)), random))


KINDS: dict[str, Callable[[Floats, Random], tuple[bytes, str]]] = {
    "clean": _clean,
    "inverted": _inverted,
    "turned": _turned,
    "sixteen_bit": _sixteen_bit,
    "twelve_bit": _twelve_bit,
    "cmyk": _cmyk,
    "palette": _palette,
    "one_bit": _one_bit,
    "dark_on_nothing": _dark_on_nothing,
    "light_on_nothing": _light_on_nothing,
    "white_on_nothing": _white_on_nothing,
    "coloured": _coloured,
    "small": _small,
    "small_plain": _small_plain,
    "ruled": _ruled,
    "squared": _squared,
    "framed": _framed,
    "shadow": _shadow,
    "shadow_edge": _shadow_edge,
    "vignette": _vignette,
    "textured": _textured,
    "jpeg": _jpeg,
    "faint": _faint,
    "faint_light": _faint_light,
    "thin": _thin,
    "thick": _thick,
    "tiny": _tiny,
    "huge": _huge,
    "tight": _tight,
    "at_an_edge": _at_an_edge,
    "specks": _specks,
    "neighbours": _neighbours,
    "detached": _detached,
}


def write(folder: Path, kinds: Sequence[str], rows: Sequence[int], seed: int) -> None:
    """Write a picture of each of some kinds and some of the digits into a folder."""
    for kind in kinds:
        random = np.random.default_rng([seed, *kind.encode()])
        for number in rows:
            content, ending = KINDS[kind](digits()[number].astype(np.float32) / 255, random)
            path = folder / kind / str(labels()[number]) / f"{number}.{ending}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def main() -> None:
    """Write as told by the arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--each", type=int, default=100)
    parser.add_argument("--first", type=int, default=0, help="of the 200 digits that tests carry")
    parser.add_argument("--kinds", nargs="*", default=list(KINDS), choices=list(KINDS), metavar="KIND")
    parser.add_argument("--seed", type=int, default=0)
    told = parser.parse_args()
    write(told.folder, told.kinds, range(told.first, told.first + told.each), told.seed)


if __name__ == "__main__":
    main()
