"""What every picture of the trainer is drawn on and with: one look, no window, a small PNG at the end."""

import io
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, QUIET = "#1f2933", "#7b8794"
_SIDE, _GAP = 28, 4  # pixels of a digit, and between two
_HEAD = 0.4  # inches, for the title


def figure(width: float, height: float) -> "Figure":
    """An empty figure of so many inches, 96 pixels each."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    empty = Figure(figsize=(width, height), dpi=96, layout="constrained")
    FigureCanvasAgg(empty)
    return empty


def grid(title: str, digits: list[tuple[NDArray[np.uint8], str]], columns: int = 8) -> bytes:
    """Pictures [28, 28], uint8, each under its own title, as a PNG; with no picture the title stands alone."""
    sheet, places = _sheet(title, [picture for picture, _ in digits], columns, inch=0.035, above=6)
    for (left, top), (_, own) in zip(places, digits, strict=True):
        sheet.axes[0].text(left + _SIDE / 2, top - 1, own, ha="center", va="bottom", fontsize=9, color=INK)
    return png(sheet)


def rows(title: str, pictures: dict[str, NDArray[np.uint8]]) -> bytes:
    """Rows of pictures [columns, 28, 28], uint8, each with its name at the left, as a PNG."""
    columns = max(map(len, pictures.values()))
    blank = np.zeros((columns, _SIDE, _SIDE), np.uint8)
    whole = [picture for row in pictures.values() for picture in (*row, *blank[len(row) :])]
    sheet, places = _sheet(title, whole, columns, inch=0.025, names=0.3 + 0.07 * max(map(len, pictures)))
    for name, (left, top) in zip(pictures, places[::columns], strict=True):
        sheet.axes[0].text(left - _GAP, top + _SIDE / 2, name, ha="right", va="center", fontsize=9, color=INK)
    return png(sheet)


def _sheet(
    title: str, pictures: list[NDArray[np.uint8]], columns: int, *, inch: float, names: float = 0, above: int = 0
) -> tuple["Figure", list[tuple[int, int]]]:
    """A figure of pictures in lines, dark on white, and the left and top of each, in the digits' own pixels.

    A pixel is so many inches, the names at the left have so many, and above each picture so many pixels are left.
    All are one image: axes for each take milliseconds, and the layout of many grows with their square.
    """
    lines = max(1, -(-len(pictures) // columns))
    high, wide = above + _SIDE + _GAP, _SIDE + _GAP
    places = [(index % columns * wide + _GAP, index // columns * high + above) for index in range(len(pictures))]
    ink = np.zeros((lines * high, columns * wide + _GAP), np.uint8)
    for (left, top), picture in zip(places, pictures, strict=True):
        ink[top : top + _SIDE, left : left + _SIDE] = picture
    width, height = names + ink.shape[1] * inch, _HEAD + ink.shape[0] * inch
    sheet = figure(width, height)
    sheet.set_layout_engine("none")
    axes = sheet.add_axes((names / width, 0, 1 - names / width, 1 - _HEAD / height))
    axes.axis("off")
    axes.imshow(ink, cmap="gray_r", vmin=0, vmax=255, extent=(0, ink.shape[1], ink.shape[0], 0), aspect="auto")
    sheet.text(0.08 / width, 1 - 0.08 / height, title, va="top", color=INK, weight="bold", fontsize=11)
    return sheet, places


def quiet(axes: "Axes") -> None:
    """Axes without ticks and frame."""
    axes.tick_params(which="both", colors=QUIET, labelsize=9, length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def png(drawn: "Figure") -> bytes:
    """The bytes of a figure's PNG."""
    from PIL import Image

    buffer = io.BytesIO()
    drawn.savefig(buffer, format="png", facecolor="white")
    # A palette of 64 colours: a third of the bytes, and no difference that can be seen.
    small = io.BytesIO()
    Image.open(buffer).convert("RGB").quantize(64).save(small, format="PNG", optimize=True)
    return small.getvalue()
