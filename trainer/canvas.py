"""What every picture of the trainer is drawn on and with: one look, no window, a small PNG at the end."""

import io
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, QUIET = "#1f2933", "#7b8794"


def figure(width: float, height: float) -> "Figure":
    """An empty figure of so many inches, 96 pixels each."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    empty = Figure(figsize=(width, height), dpi=96, layout="constrained")
    FigureCanvasAgg(empty)
    return empty


def digit(axes: "Axes", picture: NDArray[np.uint8], title: str = "") -> None:
    """A picture [28, 28], uint8, dark on white."""
    axes.axis("off")
    axes.imshow(picture, cmap="gray_r", vmin=0, vmax=255)
    axes.set_title(title, fontsize=9, color=INK, pad=3)


def grid(title: str, digits: list[tuple[NDArray[np.uint8], str]], columns: int = 8) -> bytes:
    """Pictures [28, 28], uint8, each under its own title, as a PNG; with no picture the title stands alone."""
    lines = max(1, -(-len(digits) // columns))
    sheet = figure(9, 0.45 + 1.3 * lines)
    places = sheet.subplots(lines, columns, squeeze=False)
    for axes in places.flat:
        axes.axis("off")
    for axes, (picture, own) in zip(places.flat, digits, strict=False):
        digit(axes, picture, own)
    sheet.suptitle(title, x=0.01, ha="left", color=INK, weight="bold", fontsize=11)
    return png(sheet)


def rows(title: str, pictures: dict[str, NDArray[np.uint8]]) -> bytes:
    """Rows of pictures [columns, 28, 28], uint8, each with its name at the left, as a PNG."""
    columns = max(map(len, pictures.values()))
    sheet = figure(1.2 + 0.8 * columns, 0.5 + 0.8 * len(pictures))
    grid = sheet.subplots(len(pictures), columns + 1, squeeze=False, width_ratios=[1.5] + [1] * columns)
    for axes in grid.flat:
        axes.axis("off")
    for line, (name, row) in zip(grid, pictures.items(), strict=True):
        line[0].text(1, 0.5, name, ha="right", va="center", fontsize=9, color=INK, transform=line[0].transAxes)
        for axes, picture in zip(line[1:], row, strict=False):
            digit(axes, picture)
    sheet.suptitle(title, x=0.01, ha="left", color=INK, weight="bold", fontsize=11)
    return png(sheet)


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
