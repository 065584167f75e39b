"""The figures of `benchmarks.serving` as a picture."""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.table import Cells, Key, rate
from benchmarks.uploads import NAMES

_OURS = ("torch", "onnx")


def draw(cells: Cells, path: Path) -> None:
    """Requests a second of each server, a panel for each picture and number of clients."""
    pictures = list(dict.fromkeys(key.picture for key in cells))
    clients = list(dict.fromkeys(key.clients for key in cells))
    bars = len({key[:2] for key in cells})
    size = (5 * len(pictures), (0.35 * bars + 1) * len(clients))
    figure = Figure(size, layout="constrained")
    panels = figure.subplots(len(clients), len(pictures), squeeze=False)
    for row, number in enumerate(clients):
        for column, picture in enumerate(pictures):
            chosen = [key for key in cells if (key.picture, key.clients) == (picture, number)]
            _panel(panels[row][column], chosen, cells)
            panels[row][column].set_title(f"{NAMES[picture]}, {number} client{'s' * (number > 1)}", fontsize=10)
    figure.supxlabel("requests a second (p99 in ms)", fontsize=10)
    figure.savefig(path, dpi=110)


def _panel(axes: Axes, keys: list[Key], cells: Cells) -> None:
    names = [key.server + (f" x{key.workers}" if key.workers > 1 else "") for key in keys]
    rates = [rate(cells[key]) for key in keys]
    colours = ["tab:blue" if key.server in _OURS else "lightgray" for key in keys]
    bars = axes.barh(names, rates, color=colours)
    p99 = [sorted(outcome.p99 for outcome in cells[key])[len(cells[key]) // 2] for key in keys]
    axes.bar_label(
        bars, [f"{one:,.0f} ({late:.0f})" for one, late in zip(rates, p99, strict=True)], padding=3, fontsize=8
    )
    axes.invert_yaxis()
    axes.set_xlim(0, max(rates, default=1) * 1.3)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
