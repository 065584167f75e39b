"""Numbers of several digits, made of MNIST's: in a row, touching, on paper, with signs between them.

The same digits and seed give the same strips.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.trouble import file, grained, inked, rules, texture
from imaging.shapes import Box, around
from registry.rules import Floats

Random = np.random.Generator
_MARGIN = 0.35  # of the digits' height: what is left free around a strip, at least
_FREE = (0.1, 0.45)  # of the digits' height: gaps between digits of one number
_UNIT = 20  # MNIST's pixels a digit is high


@dataclass(frozen=True)
class Digits:
    """Digits to make strips of: pictures [N, 28, 28], 0..255, and labels [N]."""

    pictures: NDArray[np.uint8]
    labels: NDArray[np.uint8]


@dataclass(frozen=True)
class Strip:
    """A file, the text on it (a line each), and the digits' boxes in its pixels."""

    content: bytes
    ending: str
    text: str
    boxes: tuple[Box, ...]


@dataclass(frozen=True)
class Row:
    """Ink [H, W] of one number, and where each of its digits lies."""

    ink: Floats
    boxes: tuple[Box, ...]
    text: str


def _glyph(digit: NDArray[Any], height: float, slant: float) -> Floats:
    """A digit [28, 28] as ink that fills its box, MNIST's 20 pixels made `height`, sheared by `slant`."""
    scale = height / _UNIT
    side = round(28 * scale)
    large = cv2.resize(digit.astype(np.float32) / 255, (side, side), interpolation=cv2.INTER_CUBIC)
    pad = round(abs(slant) * side / 2) + 1
    shear = np.asarray([[1, -slant, slant * side / 2 + pad], [0, 1, 0]], np.float32)
    sheared = cv2.warpAffine(large, shear, (side + 2 * pad, side))
    ink = np.clip((sheared - 0.5) * max(1.0, scale / 2) + 0.5, 0, 1)
    rows, columns = np.flatnonzero(ink.max(1) > 0.3), np.flatnonzero(ink.max(0) > 0.3)
    return np.asarray(ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], np.float32)


def row(
    digits: Digits,
    random: Random,
    *,
    size: float = 60,
    length: int | None = None,
    spread: float = 0.0,
    slants: float = 0.0,
    rise: float = 0.0,
    gap: Callable[[Random], float] = lambda random: float(random.uniform(*_FREE)),
    touching: bool = False,
) -> Row:
    """A number of 2 to 6 digits: heights differ by `spread`, slants by `slants`, feet by `rise` of the size.

    `gap` gives what is left between two digits, as a share of the size: between their boxes, or, where they are
    `touching`, between their ink in the row in which they come nearest (below 0 they overlap).
    """
    picked = random.integers(0, len(digits.labels), length or int(random.integers(2, 7)))
    lean = random.uniform(-slants, slants)
    page = np.zeros((round(size * 2.4), round(size * (len(picked) + 1) * 2)), np.float32)
    boxes: list[Box] = []
    for number in picked:
        height = size * (1 + random.uniform(-spread, spread))
        ink = _glyph(digits.pictures[number], height, float(lean + random.uniform(-slants / 3, slants / 3)))
        top = round(size * 1.7) - ink.shape[0] + round(random.uniform(-rise, rise) * size)
        top = min(max(0, top), page.shape[0] - ink.shape[0])
        left = 4
        if boxes:
            space = gap(random) * size
            left = _beside(page, ink, top, space) if touching else boxes[-1].right + round(space)
        left = max(0, left)
        part = page[top : top + ink.shape[0], left : left + ink.shape[1]]
        np.maximum(part, ink, out=part)
        boxes.append(Box(left, top, ink.shape[1], ink.shape[0]))
    whole = around(boxes)
    moved = tuple(Box(box.left - whole.left, box.top - whole.top, box.width, box.height) for box in boxes)
    ink = page[whole.top : whole.bottom, whole.left : whole.right]
    return Row(ink, moved, "".join(str(digits.labels[number]) for number in picked))


def _beside(page: Floats, ink: Floats, top: int, space: float) -> int:
    """The column at which ink comes within `space` pixels of what is on the page, in the row where it is nearest."""
    there, new = page[top : top + ink.shape[0]] > 0.5, ink > 0.5
    shared = there.any(1) & new.any(1)
    if not shared.any():
        return int(np.flatnonzero(page.max(0) > 0.5)[-1]) + 1
    ends = there.shape[1] - there[shared, ::-1].argmax(1)
    starts = new[shared].argmax(1)
    return int((ends - starts).max() + round(space))


def paged(rows: list[Row], random: Random) -> tuple[Floats, tuple[Box, ...]]:
    """Rows below each other on one page of ink [H, W], with a margin, and all digits' boxes on it."""
    size = max(row.ink.shape[0] for row in rows)
    margin = round(size * random.uniform(_MARGIN, 2 * _MARGIN))
    width = max(row.ink.shape[1] for row in rows) + 2 * margin
    gap = round(size * random.uniform(0.3, 0.7))
    height = sum(row.ink.shape[0] for row in rows) + gap * (len(rows) - 1) + 2 * margin
    page = np.zeros((height, width), np.float32)
    boxes: list[Box] = []
    top = margin
    for line in rows:
        left = margin + int(random.integers(0, width - 2 * margin - line.ink.shape[1] + 1))
        page[top : top + line.ink.shape[0], left : left + line.ink.shape[1]] = line.ink
        boxes += [Box(box.left + left, box.top + top, box.width, box.height) for box in line.boxes]
        top += line.ink.shape[0] + gap
    return page, tuple(boxes)


def _plain(rows: list[Row], random: Random) -> Strip:
    page, boxes = paged(rows, random)
    light = random.random() < 0.3
    image = grained(inked(page, 0.05, 0.95) if light else inked(page, 0.97, 0.1), random, 0.0)
    return Strip(*file(image), "\n".join(row.text for row in rows), boxes)


def _on_paper(rows: list[Row], random: Random) -> Strip:
    """Rows on paper with its tooth, in light that falls off, on lines or squares half of the time; a JPEG."""
    page, boxes = paged(rows, random)
    paper = np.full(page.shape, 0.88, np.float32)
    style = int(random.integers(4))
    if style >= 2:
        paper = rules(paper, random, squared=style == 3)
    sheet = np.minimum(inked(page, 0.88, float(random.uniform(0.1, 0.4))), paper)
    across = np.linspace(1, random.uniform(0.5, 1), page.shape[1])
    down = np.linspace(1, random.uniform(0.7, 1), page.shape[0])[:, np.newaxis]
    light = np.rot90(across * down, 2 * int(random.integers(2)))
    image = grained(sheet * light + texture(page.shape, random, float(random.uniform(0.01, 0.03))), random)
    return Strip(*file(image, "JPEG", quality=85), "\n".join(row.text for row in rows), boxes)


def _photographed(rows: list[Row], random: Random) -> Strip:
    """Rows on paper as a camera held by hand sees them: from aside, in a shadow's edge, out of focus; a JPEG."""
    page, boxes = paged(rows, random)
    height, width = page.shape
    sheet = inked(page, 0.88, float(random.uniform(0.1, 0.4)))
    if random.random() < 0.5:
        sheet = np.minimum(sheet, rules(np.full(page.shape, 0.88, np.float32), random, squared=random.random() < 0.5))
    sheet = np.asarray(sheet + texture(page.shape, random, float(random.uniform(0.005, 0.02))), np.float32)
    corners = np.asarray([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
    moved = corners + random.uniform(-0.08, 0.08, (4, 2)) * height
    seen = cv2.getPerspectiveTransform(corners, moved.astype(np.float32))
    warped = cv2.warpPerspective(sheet, seen, (width, height), borderMode=cv2.BORDER_REPLICATE)
    across, down = np.meshgrid(np.arange(width), np.arange(height))
    angle, edge = random.uniform(0, 2 * np.pi), random.uniform(-0.3, 0.3) * width
    beyond = (down - height / 2) * np.sin(angle) + (across - width / 2) * np.cos(angle) - edge
    light = 1 - random.uniform(0, 0.4) / (1 + np.exp(beyond / random.uniform(2, 12)))
    blurred = cv2.GaussianBlur(warped * light, (0, 0), float(random.uniform(0.4, 2.0)))
    image = grained(blurred, random, float(random.uniform(0.005, 0.02)))
    content, ending = file(image, "JPEG", quality=int(random.integers(60, 92)))
    return Strip(content, ending, "\n".join(row.text for row in rows), tuple(_seen(box, seen) for box in boxes))


def _seen(box: Box, transform: NDArray[Any]) -> Box:
    """The box around a box's corners once they are transformed."""
    corners = [(x, y) for x in (box.left, box.right) for y in (box.top, box.bottom)]
    return Box(*cv2.boundingRect(cv2.perspectiveTransform(np.asarray([corners], np.float32), transform)))


def _loose(digits: Digits, random: Random, **changes: Any) -> Row:
    size = float(random.uniform(40, 110))
    return row(digits, random, **{"size": size, "spread": 0.2, "slants": 0.25, "rise": 0.12, **changes})


def _clean(digits: Digits, random: Random) -> Strip:
    return _plain([row(digits, random, size=float(random.uniform(24, 120)))], random)


def _jitter(digits: Digits, random: Random) -> Strip:
    return _plain([_loose(digits, random)], random)


def _kerned(digits: Digits, random: Random) -> Strip:
    return _plain([_loose(digits, random, touching=True, gap=lambda random: random.uniform(0.06, 0.15))], random)


def _touching(digits: Digits, random: Random) -> Strip:
    return _plain([_loose(digits, random, touching=True, gap=lambda random: random.uniform(-0.07, 0.0))], random)


def _overlapping(digits: Digits, random: Random) -> Strip:
    return _plain([_loose(digits, random, touching=True, gap=lambda random: random.uniform(-0.15, -0.07))], random)


def _some_touching(digits: Digits, random: Random) -> Strip:
    def gap(random: Random) -> float:
        return float(random.uniform(-0.1, 0.3))

    return _plain([_loose(digits, random, touching=True, gap=gap)], random)


def _paper(digits: Digits, random: Random) -> Strip:
    return _on_paper([_loose(digits, random)], random)


def _paper_touching(digits: Digits, random: Random) -> Strip:
    return _on_paper([_loose(digits, random, touching=True, gap=lambda random: random.uniform(-0.1, 0.3))], random)


def _photo(digits: Digits, random: Random) -> Strip:
    return _photographed([_loose(digits, random)], random)


def _two_lines(digits: Digits, random: Random) -> Strip:
    size = float(random.uniform(40, 90))
    return _on_paper([_loose(digits, random, size=size) for _ in range(2)], random)


def _wide(random: Random) -> float:
    return float(random.uniform(0.3, 0.5))


def _signs(digits: Digits, random: Random) -> Strip:
    """A number with a comma, a point or a minus that must be left out, within a frame half of the time."""
    size = float(random.uniform(50, 100))
    number = row(digits, random, size=size, length=int(random.integers(2, 6)), gap=_wide)
    ink, boxes, pen = np.array(number.ink), number.boxes, max(2, round(size * 0.1))
    pad = round(size * 0.6)
    ink = np.pad(ink, pad)
    boxes = tuple(Box(box.left + pad, box.top + pad, box.width, box.height) for box in boxes)
    foot = max(box.bottom for box in boxes)
    at = int(random.integers(len(boxes) - 1))
    middle = (boxes[at].right + boxes[at + 1].left) // 2
    sign = int(random.integers(3))
    if sign == 0:
        cv2.line(ink, (middle, foot - pen), (middle - pen, foot + pen), 1.0, pen, cv2.LINE_AA)
    elif sign == 1:
        cv2.circle(ink, (middle, foot - pen // 2), max(2, round(pen * 0.7)), 1.0, -1, cv2.LINE_AA)
    else:
        level = ink.shape[0] // 2
        cv2.line(ink, (pen, level), (pad - 2 * pen, level), 1.0, pen, cv2.LINE_AA)
    if random.random() < 0.5:
        ink = np.pad(ink, 2 * pen)
        boxes = tuple(Box(box.left + 2 * pen, box.top + 2 * pen, box.width, box.height) for box in boxes)
        cv2.rectangle(ink, (2, 2), (ink.shape[1] - 3, ink.shape[0] - 3), 1.0, max(1, pen // 3))
    return _plain([Row(np.asarray(ink, np.float32), boxes, number.text)], random)


KINDS: dict[str, Callable[[Digits, Random], Strip]] = {
    "clean": _clean,
    "jitter": _jitter,
    "kerned": _kerned,
    "touching": _touching,
    "overlapping": _overlapping,
    "some_touching": _some_touching,
    "paper": _paper,
    "paper_touching": _paper_touching,
    "two_lines": _two_lines,
    "signs": _signs,
    "photo": _photo,
}


def make(digits: Digits, kind: str, count: int, seed: int) -> list[Strip]:
    """Strips of one kind."""
    random = np.random.default_rng([seed, *kind.encode()])
    return [KINDS[kind](digits, random) for _ in range(count)]
