"""python -m benchmarks.misses [FOLDER]

Draws docs/pictures/wrong-*.png: what the release reads wrong of what `benchmarks.trouble`, `printed` and `strips`
make, as uploaded and as the models saw it, of strips with the boxes that were found. Prints of how many.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from benchmarks import numbers, pictures, printed, trouble
from service.models import Model
from service.settings import Settings
from tests.mnist import digits

ROOT = Path(__file__).parent.parent
TROUBLES = ("shadow", "shadow_edge", "textured", "thin", "tight")  # the kinds of which any was read wrong
STRIPS = ("clean", "paper", "two_lines", "touching")
_ACROSS = 4  # on a sheet, and of each kind of strips
_SEED = 9001  # of the strips in docs/pictures.md

Loaded = tuple[list[Model], Model, Settings]


def of_trouble(folder: Path, loaded: Loaded) -> dict[str, Image.Image]:
    """A sheet of digits in trouble."""
    trouble.write(folder, TROUBLES, range(len(digits())), seed=0)
    return {"trouble": _sheet("trouble", pictures.read_all(list(pictures.find(folder)), *loaded))}


def of_printed(folder: Path, loaded: Loaded) -> dict[str, Image.Image]:
    """A sheet of printed digits and one of seven segments."""
    printed.write(folder, each=4, seed=0, others={})
    reads = pictures.read_all(list(pictures.find(folder)), *loaded)
    return {
        name: _sheet(name, [read for read in reads if read.picture.group == name])
        for name in ("printed", "seven_segment")
    }


def of_strips(_folder: Path, loaded: Loaded) -> dict[str, Image.Image]:
    """A sheet of strips, up to four of each kind."""
    shown = []
    for kind in STRIPS:
        strips = numbers.made(numbers.source(None), [kind], 60, _SEED)
        reads = [numbers.read(strip, *loaded) for strip in strips]
        wrong = [read for read in reads if not read.right]
        print(f"{kind}: {len(wrong)} of {len(reads)} strips wrong")
        shown += wrong[:_ACROSS]
    return {"strips": numbers.sheet(shown, side=176, columns=_ACROSS)}


def _sheet(name: str, reads: list[pictures.Read]) -> Image.Image:
    wrong = [read for read in reads if not read.right]
    print(f"{name}: {len(wrong)} of {len(reads)} wrong")
    return pictures.sheet(wrong[: 3 * _ACROSS], side=100, columns=_ACROSS)


def main() -> None:
    """Draw into the folder that is named, or into docs/pictures."""
    place = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "pictures"
    settings = Settings(artifacts=ROOT / "artifacts", device="cpu", threads=1)
    loaded = (*pictures.load(settings), settings)
    makers: list[Callable[[Path, Loaded], dict[str, Image.Image]]] = [of_trouble, of_printed, of_strips]
    for make in makers:
        with TemporaryDirectory() as folder:
            for name, sheet in make(Path(folder), loaded).items():
                sheet.quantize(16).save(place / f"wrong-{name.replace('_', '-')}.png", optimize=True)


if __name__ == "__main__":
    main()
