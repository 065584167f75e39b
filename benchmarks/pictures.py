"""python -m benchmarks.pictures FOLDER... [--artifacts DIR] [--sheet FILE]

Accuracy on folders of pictures, `label/picture` or `set/label/picture` (labels 0 to 9, or `none` for what is not one
digit; others are left out), read by the service's own imaging, models and gate in process, beside what tutorials do:
gray, resized to 28x28, inverted if bright. DIGITVOTE_REJECT is heeded; of `none`, all that is accepted is wrong.
`--sheet` draws what was read wrong, as uploaded and as the models saw it, to be looked at. Milliseconds are the
thread's own, decoding included.

1,322 real pictures of five sources: 96.8 % right, by the tutorials' way 87.4 %; 2,640 of `benchmarks.trouble`: 99.8 %
and 51.9 % (the first release's models; AMD EPYC, Python 3.11.7, OpenCV 5.0.0). docs/pictures.md has them by kind.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageOps

from imaging import warm_up
from registry import store
from registry.manifest import GATE
from registry.rules import Floats
from service.acceptance import accept
from service.engine.backend import infer, score
from service.engine.engine import open_engine
from service.errors import ServiceError
from service.models import Model, load_version
from service.pictures import read as read_picture
from service.settings import Settings
from service.vote import Outcome, count

_BLANK = np.zeros((1, 28, 28), dtype=np.float32)


@dataclass(frozen=True)
class Picture:
    """A file and the digit that is on it, if there is one."""

    path: Path
    group: str
    label: int | None


@dataclass(frozen=True)
class Read:
    """What the service made of a picture; where it refused it there is no outcome."""

    picture: Picture
    seen: Floats
    outcome: Outcome | None
    alone: bool
    milliseconds: float
    note: str = ""

    @property
    def right(self) -> bool:
        """Whether it was read as what is on it."""
        return self.outcome is not None and self.outcome.label == self.picture.label

    @property
    def accepted(self) -> bool:
        """Whether it was taken for one digit."""
        return self.outcome is not None and self.outcome.reason is None and self.alone


def find(folder: Path) -> Iterator[Picture]:
    """The labelled pictures below a folder; a set's name is its path from there."""
    for path in sorted(folder.rglob("*")):
        label = path.parent.name
        if path.is_file() and label in {*"0123456789", "none"}:
            group = path.parent.parent
            name = str(group.relative_to(folder)) if group != folder else folder.name
            yield Picture(path, name, None if label == "none" else int(label))


def tutorial(content: bytes) -> Floats:
    """What tutorials do [1, 28, 28]: gray, resized, inverted if it is bright."""
    with Image.open(BytesIO(content)) as image:
        pixels = np.asarray(image.convert("L").resize((28, 28)), dtype=np.float32) / np.float32(255)
    return (1 - pixels if pixels.mean() > 0.5 else pixels)[np.newaxis]


def load(settings: Settings) -> tuple[list[Model], Model]:
    """The models that vote and the gate, on the CPU."""
    engine, root = open_engine(settings), settings.root

    def newest(name: str) -> Model:
        return Model(name, *load_version(root, name, store.latest(root, name) or 0, engine, settings.max_batch))

    return [newest(name) for name in settings.models], newest(GATE)


def vote(models: Sequence[Model], gate: Model, pictures: Sequence[Floats], settings: Settings) -> list[Outcome]:
    """The counted votes on pictures [1, 28, 28], each accepted or not."""
    outcomes = []
    for start in range(0, len(pictures), settings.max_batch):
        batch = np.stack(pictures[start : start + settings.max_batch])
        counted = count(infer(models, batch), settings.rule, settings.quorum)
        outcomes += accept(counted, score(gate, batch), gate.manifest, settings.reject)
    return outcomes


def read_all(pictures: Sequence[Picture], models: Sequence[Model], gate: Model, settings: Settings) -> list[Read]:
    """Read pictures as the service does."""
    views: list[tuple[Floats | None, bool, float, str]] = []
    for picture in pictures:
        content = picture.path.read_bytes()
        started = time.thread_time()
        try:
            seen = read_picture(content, settings.max_pixels)
            view, alone, note = seen.picture, seen.alone, "; ".join(seen.warnings)
        except ServiceError as error:
            view, alone, note = None, True, error.title
        views.append((view, alone or settings.reject == "off", (time.thread_time() - started) * 1e3, note))
    outcomes = vote(models, gate, [_BLANK if view is None else view for view, *_ in views], settings)
    return [
        Read(picture, _BLANK if view is None else view, None if view is None else outcome, alone, milliseconds, note)
        for picture, (view, alone, milliseconds, note), outcome in zip(pictures, views, outcomes, strict=True)
    ]


def report(reads: Sequence[Read], baseline: Sequence[Outcome]) -> str:
    """A row a set: how many are right by the tutorial's way and by the service, and among those it accepts.

    `all` is of the digits; `refused` of those read right, or of all where there is none to read.
    """
    lines = [
        "| set | pictures | tutorial | right | refused | wrong among accepted | ms, median | ms, slowest |",
        "|---|---|---|---|---|---|---|---|",
    ]
    groups = list(dict.fromkeys(read.picture.group for read in reads))
    digits = [row for row, read in enumerate(reads) if read.picture.label is not None]
    parts = {name: [row for row, read in enumerate(reads) if read.picture.group == name] for name in groups}
    for name, rows in {**parts, **({"all": digits} if len(groups) > 1 else {})}.items():
        part = [reads[row] for row in rows]
        plain = np.mean([baseline[row].label == reads[row].picture.label for row in rows])
        right = [read for read in part if read.right]
        accepted = [read for read in part if read.accepted]
        refused = np.mean([not read.accepted for read in right or part])
        wrong = np.mean([not read.right for read in accepted]) if accepted else 0.0
        taken = [read.milliseconds for read in part]
        lines.append(
            f"| {name} | {len(part)} | {plain * 100:.1f} % | {100 * len(right) / len(part):.1f} % "
            f"| {refused * 100:.1f} % | {wrong * 100:.1f} % | {np.median(taken):.2f} | {max(taken):.2f} |"
        )
    return "\n".join(lines)


def sheet(reads: Sequence[Read], side: int = 112, columns: int = 10) -> Image.Image:
    """Uploads, what the models saw of each, and `label > read as`, side by side; at most 200."""
    reads = reads[:200]
    cell = (2 * side + 6, side + 16)
    page = Image.new("RGB", (columns * cell[0], max(1, -(-len(reads) // columns)) * cell[1]), "dimgray")
    draw = ImageDraw.Draw(page)
    for number, read in enumerate(reads):
        left, top = number % columns * cell[0], number // columns * cell[1]
        page.paste(thumbnail(read.picture.path.read_bytes(), side), (left, top))
        view = Image.fromarray((read.seen[0] * 255).astype(np.uint8)).resize((side, side), Image.Resampling.NEAREST)
        page.paste(view, (left + side + 2, top))
        answer = f"{read.outcome.label} {read.outcome.confidence:.2f}" if read.outcome else read.note
        draw.text(
            (left + 2, top + side + 2), f"{read.picture.label} > {answer}  {read.picture.path.name}"[:38], "white"
        )
    return page


def thumbnail(content: bytes, side: int) -> Image.Image:
    """An upload as a browser shows it, upright, at most `side` pixels a side; green where it is transparent."""
    with Image.open(BytesIO(content)) as image:
        upright = ImageOps.exif_transpose(image)
        small = ImageOps.contain(upright, (side, side)) if upright.mode.startswith(("I", "F")) else None
        if small is not None:  # 16 bits and more: from darkest to lightest
            levels = np.asarray(small, dtype=np.float64)
            return Image.fromarray(
                (np.interp(levels, (levels.min(), levels.max()), (0, 255))).astype(np.uint8)
            ).convert("RGB")
        small = ImageOps.contain(upright.convert("RGBA"), (side, side))
    ground = Image.new("RGBA", small.size, "seagreen")
    return Image.alpha_composite(ground, small).convert("RGB")


def main() -> None:
    """Report as told by the arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--artifacts", type=Path, default=Path("artifacts"))
    parser.add_argument("--sheet", type=Path, help="draw what was read wrong into this PNG")
    told = parser.parse_args()
    settings = Settings(artifacts=told.artifacts, device="cpu", threads=1)
    models, gate = load(settings)
    pictures = [picture for folder in told.folders for picture in find(folder)]
    warm_up()
    reads = read_all(pictures, models, gate, settings)
    baseline = vote(models, gate, [tutorial(picture.path.read_bytes()) for picture in pictures], settings)
    print(report(reads, baseline))
    if told.sheet:
        sheet([read for read in reads if not read.right and (read.picture.label is not None or read.accepted)]).save(
            told.sheet
        )


if __name__ == "__main__":
    main()
