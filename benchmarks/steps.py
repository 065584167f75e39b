"""python -m benchmarks.steps [FOLDER]

Draws docs/pictures/*.png, the examples of docs/pictures.md: an upload with the digit's box, its brightness, its ink
with the ground taken away, and the 28x28 that the models see; prints the steps and warnings of each.
"""

import sys
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw

from benchmarks.pictures import thumbnail
from benchmarks.trouble import KINDS
from imaging import read
from imaging.ground import find_ink
from registry.rules import Floats
from tests.mnist import digits

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "docs" / "examples"
TROUBLES = {"squared": 3, "faint": 15, "neighbours": 2}  # kind: row of the tests' digits
_SIDE = 150


def examples() -> dict[str, bytes]:
    """The six uploads by name."""
    files = {
        path.stem: path.read_bytes() for path in sorted(EXAMPLES.iterdir()) if path.stem in ("three", "four", "seven")
    }
    for kind, row in TROUBLES.items():
        files[kind] = KINDS[kind](digits()[row].astype(np.float32) / 255, np.random.default_rng(row))[0]
    return files


def draw(content: bytes) -> Image.Image:
    """The four views of an upload side by side."""
    from imaging.decode import decode

    seen = read(content, 40_000_000)
    decoded = decode(content, 40_000_000)
    upload = thumbnail(content, _SIDE)
    scale = max(upload.size) / max(decoded.width, decoded.height)
    box = [seen.box.left, seen.box.top, seen.box.right, seen.box.bottom]
    ImageDraw.Draw(upload).rectangle([round(place * scale) for place in box], outline="red")
    ink = find_ink(decoded.gray).strength
    page = Image.new("RGB", (4 * _SIDE + 30, _SIDE), "white")
    for place, view in enumerate((upload, _view(decoded.gray), _view(ink / ink.max()), _view(seen.picture[0]))):
        page.paste(view, (place * (_SIDE + 10), 0))
    return page


def _view(picture: Floats) -> Image.Image:
    scale = _SIDE / max(picture.shape)
    size = round(picture.shape[1] * scale), round(picture.shape[0] * scale)
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST
    return Image.fromarray((cv2.resize(picture, size, interpolation=method) * 255).round().astype(np.uint8))


def main() -> None:
    """Draw into the folder that is named, or into docs/pictures."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in examples().items():
        draw(content).quantize(32).save(folder / f"{name}.png", optimize=True)
        seen = read(content, 40_000_000)
        print(f"{name}: {', '.join(seen.steps)}; {seen.polarity}, turned {seen.turn}; {'; '.join(seen.warnings)}")


if __name__ == "__main__":
    main()
