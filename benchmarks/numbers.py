"""python -m benchmarks.numbers [FOLDER...] [--each N] [--seed S] [--mnist DIR] [--kinds KIND...] [--sheet FILE]

Numbers of several digits, read by the service's own imaging, models and search in process: those of FOLDERs, files
named `<anything>_<number>.<ext>`, or, where none is named, N strips of each kind made by `benchmarks.strips` of the
digits that tests carry, or of MNIST's training set in DIR. `--sheet` draws what was read wrong. Milliseconds are
the thread's own: reading the picture, and all of it. `benchmarks.way` fits the search's weights.
"""

import argparse
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from benchmarks.pictures import load, thumbnail, vote
from benchmarks.strips import KINDS, Digits, make
from imaging.page import Page
from imaging.shapes import Box
from service.errors import ServiceError
from service.models import Model
from service.numbers import Numbers, read_numbers
from service.pictures import read_page
from service.settings import Settings
from service.vote import Outcome
from tests import mnist


@dataclass(frozen=True)
class Picture:
    """A file and the text on it; where it was made, its digits' boxes."""

    name: str
    group: str
    content: bytes
    text: str
    boxes: tuple[Box, ...] = ()


@dataclass(frozen=True)
class Read:
    """What the service made of a picture."""

    picture: Picture
    page: Page | None
    outcomes: list[Outcome]
    numbers: Numbers | None
    milliseconds: tuple[float, float]
    note: str = ""

    @property
    def text(self) -> str:
        """What was read, spaces left out."""
        return self.numbers.text.replace(" ", "") if self.numbers else ""

    @property
    def right(self) -> bool:
        """Whether all of it was read as what is on it."""
        return self.text == self.picture.text

    @property
    def digits_right(self) -> int:
        """How many digits stand in both texts, in the same order."""
        text, wanted = self.text.replace("\n", ""), self.picture.text.replace("\n", "")
        matcher = SequenceMatcher(None, text, wanted, autojunk=False)
        return sum(block.size for block in matcher.get_matching_blocks())


def find(folder: Path) -> list[Picture]:
    """The pictures of a folder whose names end in a number."""
    found = []
    for path in sorted(folder.rglob("*_*.*")):
        if (number := re.search(r"_(\d+)$", path.stem)) is not None:
            found.append(Picture(path.name, folder.name, path.read_bytes(), number[1]))
    return found


def made(digits: Digits, kinds: Sequence[str], each: int, seed: int) -> list[Picture]:
    """Strips of some kinds."""
    return [
        Picture(f"{kind}-{row}", kind, strip.content, strip.text, strip.boxes)
        for kind in kinds
        for row, strip in enumerate(make(digits, kind, each, seed))
    ]


def source(folder: Path | None) -> Digits:
    """The 200 digits of `tests.mnist`, or MNIST's training set in a folder."""
    if folder is None:
        return Digits(mnist.digits(), mnist.labels())
    pictures = np.fromfile(folder / "train-images-idx3-ubyte", np.uint8)[16:].reshape(-1, 28, 28)
    return Digits(pictures, np.fromfile(folder / "train-labels-idx1-ubyte", np.uint8)[8:])


def read(picture: Picture, models: Sequence[Model], gate: Model, settings: Settings) -> Read:
    """Read a picture as the service does."""
    started = time.thread_time()
    try:
        page = read_page(picture.content, settings.max_pixels)
    except ServiceError as error:
        return Read(picture, None, [], None, ((time.thread_time() - started) * 1e3,) * 2, error.title)
    cut = time.thread_time()
    outcomes = vote(models, gate, [piece.picture for row in page.rows for piece in row.pieces], settings)
    numbers = read_numbers(page, outcomes)
    done = time.thread_time()
    return Read(picture, page, outcomes, numbers, ((cut - started) * 1e3, (done - started) * 1e3))


def report(reads: Sequence[Read]) -> str:
    """A row a kind: numbers wholly right, digits right, pieces that the models judged, milliseconds."""
    lines = [
        "| kind | pictures | wholly right | digits | digits right | pieces | ms, imaging | ms, all | ms, slowest |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    groups = list(dict.fromkeys(read.picture.group for read in reads))
    for group in [*groups, "all"] if len(groups) > 1 else groups:
        part = [read for read in reads if group in ("all", read.picture.group)]
        digits = sum(len(read.picture.text.replace("\n", "")) for read in part)
        times = np.asarray([read.milliseconds for read in part])
        lines.append(
            f"| {group} | {len(part)} | {100 * np.mean([read.right for read in part]):.1f} % | {digits} "
            f"| {100 * sum(read.digits_right for read in part) / digits:.1f} % "
            f"| {np.median([len(read.outcomes) for read in part]):.0f} "
            f"| {np.median(times[:, 0]):.1f} | {np.median(times[:, 1]):.1f} | {times[:, 1].max():.1f} |"
        )
    return "\n".join(lines)


def sheet(reads: Sequence[Read], side: int = 220, columns: int = 6) -> Image.Image:
    """Uploads with the boxes that were found, and `number > read as`, at most 90."""
    reads = reads[:90]
    page = Image.new("RGB", (columns * (side + 6), max(1, -(-len(reads) // columns)) * (side * 3 // 4)), "dimgray")
    draw = ImageDraw.Draw(page)
    for number, each in enumerate(reads):
        left, top = number % columns * (side + 6), number // columns * (side * 3 // 4)
        with Image.open(BytesIO(each.picture.content)) as image:
            whole = thumbnail(each.picture.content, max(image.size))
        lines = each.numbers.lines if each.numbers else ()
        for digit in (digit for line in lines for digit in line.digits):
            box = digit.box
            ImageDraw.Draw(whole).rectangle([box.left, box.top, box.right, box.bottom], outline="red")
        for skipped in each.numbers.skipped if each.numbers else ():
            box = skipped.box
            ImageDraw.Draw(whole).rectangle([box.left, box.top, box.right, box.bottom], outline="blue")
        whole.thumbnail((side, side * 3 // 4 - 14))
        page.paste(whole, (left, top))
        told = f"{each.picture.text} > {each.text or each.note}  {each.picture.name}".replace("\n", "/")
        draw.text((left + 2, top + side * 3 // 4 - 13), told[:36], "white")
    return page


def main() -> None:
    """Report as told by the arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="*")
    parser.add_argument("--artifacts", type=Path, default=Path("artifacts"))
    parser.add_argument("--each", type=int, default=100, help="strips of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--mnist", type=Path, help="folder of MNIST's training set, unpacked")
    parser.add_argument("--kinds", nargs="*", default=list(KINDS), choices=list(KINDS), metavar="KIND")
    parser.add_argument("--sheet", type=Path, help="draw what was read wrong into this PNG")
    told = parser.parse_args()
    settings = Settings(artifacts=told.artifacts, device="cpu", threads=1)
    models, gate = load(settings)
    pictures = [picture for folder in told.folders for picture in find(folder)]
    if not told.folders:
        pictures = made(source(told.mnist), told.kinds, told.each, told.seed)
    reads = [read(picture, models, gate, settings) for picture in pictures]
    print(report(reads))
    if told.sheet:
        sheet([each for each in reads if not each.right]).save(told.sheet)


if __name__ == "__main__":
    main()
