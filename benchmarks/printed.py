"""python -m benchmarks.printed FOLDER [--each N] [--seed S] [--fonts NAME=FOLDER...]

Writes digits that no hand wrote, as FOLDER/<set>/<label>/<n>.png, for `python -m benchmarks.pictures FOLDER`: printed
in DejaVu's fonts, as matplotlib has them, and Pillow's own, drawn with OpenCV's Hershey fonts, in seven segments, and
in every font file below each other FOLDER that is named. N of each digit and font; the same seed gives the same
pictures.
"""

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from benchmarks.trouble import Random, file, grained, inked
from registry.rules import Floats

Draw = Callable[[int, Random], Floats]  # a digit as ink [H, W] in 0..1, of a size of its own
_SIZES = (24, 200)  # pixels a digit is high, about
_HERSHEY = (
    cv2.FONT_HERSHEY_SIMPLEX,
    cv2.FONT_HERSHEY_PLAIN,
    cv2.FONT_HERSHEY_DUPLEX,
    cv2.FONT_HERSHEY_COMPLEX,
    cv2.FONT_HERSHEY_TRIPLEX,
    cv2.FONT_HERSHEY_COMPLEX_SMALL,
    cv2.FONT_HERSHEY_SCRIPT_SIMPLEX,
    cv2.FONT_HERSHEY_SCRIPT_COMPLEX,
)
# The segments of each digit: top, upper right, lower right, bottom, lower left, upper left, middle.
_LIT = ("abcdef", "bc", "abdeg", "abcdg", "bcfg", "acdfg", "acdefg", "abc", "abcdefg", "abcdfg")
_OTHERWISE = {6: "cdefg", 7: "abcf", 9: "abcfg"}  # as some displays show them
_ENDS = {
    "a": ((0, 0), (1, 0)),
    "b": ((1, 0), (1, 1)),
    "c": ((1, 1), (1, 2)),
    "d": ((0, 2), (1, 2)),
    "e": ((0, 1), (0, 2)),
    "f": ((0, 0), (0, 1)),
    "g": ((0, 1), (1, 1)),
}


def _size(random: Random) -> float:
    return float(np.exp(random.uniform(*np.log(_SIZES))))


def typeset(font: Path | None) -> Draw:
    """Digits of a font file, or of the one that comes with Pillow."""

    def draw(label: int, random: Random) -> Floats:
        size = _size(random) * 1.4
        face = ImageFont.truetype(font, size) if font else ImageFont.load_default(size)
        left, top, right, bottom = (round(side) for side in face.getbbox(str(label)))
        image = Image.new("L", (right - left + 4, bottom - top + 4))
        ImageDraw.Draw(image).text((2 - left, 2 - top), str(label), 255, face)
        return np.asarray(image, np.float32) / np.float32(255)

    return draw


def hershey(font: int) -> Draw:
    """Digits that OpenCV draws with strokes, as annotations on pictures are."""

    def draw(label: int, random: Random) -> Floats:
        size = _size(random)
        scale = cv2.getFontScaleFromHeight(font, round(size))
        thick = max(1, round(size * random.uniform(0.04, 0.15)))
        (width, height), below = cv2.getTextSize(str(label), font, scale, thick)
        page = np.zeros((height + below + 4 * thick + 4, width + 4 * thick + 4), np.uint8)
        cv2.putText(page, str(label), (2 * thick, height + 2 * thick), font, scale, 255, thick, cv2.LINE_AA)
        return page.astype(np.float32) / np.float32(255)

    return draw


def seven_segments(label: int, random: Random) -> Floats:
    """A digit of seven segments with gaps between them, upright or slanting, those that are off faint or not seen."""
    height = max(40.0, _size(random))
    thick = height * random.uniform(0.08, 0.17)
    gap = height * random.uniform(0.0, 0.03)
    half = height * random.uniform(0.42, 0.55)  # a segment's length
    lean = float(random.choice([0.0, 0.1, 0.17]))
    off = float(random.choice([0.0, 0.0, 0.06]))
    other = label in _OTHERWISE and random.random() < 0.3
    lit = _OTHERWISE[label] if other else _LIT[label]
    page = np.zeros((round(2 * half + 2 * thick + 4), round(half + 2 * thick + 2 * lean * half + 4)), np.float32)
    for name, ends in _ENDS.items():
        start, end = (np.asarray(point) * half + thick + 2 for point in ends)
        along = (end - start) / half
        across = along[::-1] * thick / 2
        first, last = start + along * (gap / 2), end - along * (gap / 2)
        inner = along * thick / 2  # its ends are pointed, so that six meet in a corner
        corners = [first, first + inner + across, last - inner + across, last, last - inner - across]
        outline = np.asarray([*corners, first + inner - across])
        outline[:, 0] += (2 * half - outline[:, 1]) * lean + thick * lean
        level = 1.0 if name in lit else off
        if level:
            cv2.fillPoly(page, [np.round(outline * 16).astype(np.int32)], level, cv2.LINE_AA, 4)
    return page


def _framed(ink: Floats, random: Random) -> Floats:
    """Ink with a margin that differs from side to side."""
    size = max(ink.shape)
    margins = [(max(2, round(size * random.uniform(0.1, 0.5))),) * 2 for _ in range(2)]
    return np.pad(ink, margins)


def picture(ink: Floats, random: Random) -> bytes:
    """A PNG of it, dark on light more often than light on dark."""
    page = _framed(ink, random)
    light = random.random() < 0.35
    paper, pen = (random.uniform(0.0, 0.15), random.uniform(0.7, 1)) if light else (random.uniform(0.85, 1), 0.1)
    return file(grained(inked(page, float(paper), float(pen)), random, 0.005))[0]


def fonts(folder: Path) -> Iterator[Path]:
    """The font files below a folder."""
    return (path for path in sorted(folder.rglob("*")) if path.suffix.lower() in (".ttf", ".otf"))


def sets(others: dict[str, Path]) -> dict[str, list[Draw]]:
    """What draws the digits, by set."""
    dejavu = [
        path for path in fonts(Path(matplotlib.get_data_path()) / "fonts" / "ttf") if path.stem.startswith("DejaVu")
    ]
    return {
        "printed": [typeset(None), *(typeset(path) for path in dejavu if "Display" not in path.stem)],
        "hershey": [hershey(font) for font in _HERSHEY],
        "seven_segment": [seven_segments] * 8,
        **{name: [typeset(path) for path in fonts(folder)] for name, folder in others.items()},
    }


def write(folder: Path, each: int, seed: int, others: dict[str, Path]) -> None:
    """Write N of each digit of each set and font into a folder."""
    for name, ways in sets(others).items():
        random = np.random.default_rng([seed, *name.encode()])
        for label in range(10):
            place = folder / name / str(label)
            place.mkdir(parents=True, exist_ok=True)
            for number, draw in enumerate(way for way in ways for _ in range(each)):
                (place / f"{number:03}.png").write_bytes(picture(draw(label, random), random))


def main() -> None:
    """Write as told by the arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--each", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fonts", nargs="*", default=[], metavar="NAME=FOLDER")
    told = parser.parse_args()
    others = {name: Path(folder) for name, folder in (pair.split("=", 1) for pair in told.fonts)}
    write(told.folder, told.each, told.seed, others)


if __name__ == "__main__":
    main()
