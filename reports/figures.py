"""Draw results with matplotlib, as SVG, PDF and PNG. Matplotlib is optional: the extra `report`."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from baselines.validation import printable
from benchmarks.results.seals import seal
from benchmarks.results.store import write_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Without a date and with fixed internal names, so that the same results give the same bytes
FORMATS: dict[str, dict[str, None]] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}
STYLE = {
    "text.parse_math": False,  # a name may hold a dollar sign
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.hashsalt": "earlyrobust",
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
}
# Okabe and Ito's colours for colour-blind readers, without the yellow, which is hard to see on white
COLOURS = ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
# Strokes and gaps of step lines, in points; they distinguish lines in grey
DASHES = ((), (3.5, 1.5), (1, 1.5), (5, 1.5, 1, 1.5), (7, 2), (2.5, 1, 0.5, 1, 0.5, 1), (2, 2))
MARKERS = "osD^vPX"
DOTS_PER_INCH = 150
PANEL_WIDTH, PANEL_HEIGHT = 4.2, 3.3
BAND_OPACITY = 0.2
TITLE_CHARACTERS_PER_INCH = 11


@dataclass(frozen=True)
class Series:
    """The points of one name.

    Attributes:
        name: shown in the legend.
        x, y: equally many numbers; NaN if nothing was measured.
        spread: half the height of the band around each point, NaN for none.
        joined: whether a line joins the points.
        steps: whether each value holds until the next point; drawn without marks, with dashes to distinguish lines.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    spread: Sequence[float] = ()
    joined: bool = True
    steps: bool = False


@dataclass(frozen=True)
class Panel:
    """One pair of axes.

    Attributes:
        title, x_label, y_label: texts of the panel.
        series: the data.
        logarithmic: axes with a logarithmic scale, "", "x" or "xy".
        diagonal: whether the line of equal x and y is drawn.
        frontier: whether to join the points for which no other has both a lower x and a higher y.
    """

    title: str
    x_label: str
    y_label: str
    series: Sequence[Series]
    logarithmic: str = ""
    diagonal: bool = False
    frontier: bool = False


@dataclass(frozen=True)
class Map:
    """A square of numbers in [0, 1] as colours: distances between items numbered from 1."""

    title: str
    label: str
    values: np.ndarray


def missing_library() -> str | None:
    """A sentence that names the extra if figures cannot be drawn, otherwise None."""
    if find_spec("matplotlib") is not None:
        return None
    return (
        "the tables are written, but figures need matplotlib, which is not installed; install it with "
        "pip install 'earlyrobust[report]' and repeat the command"
    )


def draw_panels(title: str, rows: Sequence[Sequence[Panel]]) -> Figure:
    """Panels in rows under a title, with one legend for all names."""
    figure, axes = _grid(title, len(rows), max(map(len, rows)))
    names = list(dict.fromkeys(series.name for row in rows for panel in row for series in panel.series))
    for row_axes, row in zip(axes, rows, strict=True):
        for one, panel in zip(row_axes, row, strict=False):
            _draw(one, panel, names)
        for unused in row_axes[len(row) :]:
            unused.set_visible(False)
    handles = {}
    for one in axes.flat:
        handles |= dict(zip(*reversed(one.get_legend_handles_labels()), strict=True))
    if len(names) > 1:
        shown = [name for name in names if name in handles]
        columns = min(len(shown), 4 if len(rows[0]) > 1 else 2)
        figure.legend(
            [handles[name] for name in shown], shown, loc="outside lower center", ncols=columns, frameon=False
        )
    return figure


def _draw(axes: Axes, panel: Panel, names: Sequence[str]) -> None:
    axes.set(title=panel.title, xlabel=panel.x_label, ylabel=panel.y_label)
    axes.grid(color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)
    for series in panel.series:
        index = names.index(series.name)
        colour, marker = COLOURS[index % len(COLOURS)], MARKERS[_shifted(index) % len(MARKERS)]
        x, y = np.asarray(series.x, float), np.asarray(series.y, float)
        line = "-" if series.joined else "none"
        if series.steps:
            axes.step(x, y, where="post", color=colour, linestyle=_dashes(index), label=series.name)
        else:
            axes.plot(x, y, linestyle=line, color=colour, marker=marker, markersize=6, label=series.name)
        spread = np.asarray(series.spread, float)
        if series.joined and len(spread):
            axes.fill_between(x, y - spread, y + spread, color=colour, alpha=BAND_OPACITY, linewidth=0)
        elif len(spread) and np.isfinite(spread).any():
            axes.errorbar(x, y, spread, fmt="none", ecolor=colour, capsize=3)
    if panel.frontier:
        axes.plot(*_frontier(panel.series), color="0.6", linestyle="--", linewidth=1, zorder=0, drawstyle="steps-post")
    if "x" in panel.logarithmic:
        axes.set_xscale("log")
    if "y" in panel.logarithmic:
        axes.set_yscale("log")
    for axis, logarithmic in ((axes.xaxis, "x"), (axes.yaxis, "y")):
        if logarithmic in panel.logarithmic:
            _plain_numbers(axis)
    if panel.diagonal:
        low, high = min(axes.get_xlim()[0], axes.get_ylim()[0]), max(axes.get_xlim()[1], axes.get_ylim()[1])
        axes.plot([low, high], [low, high], color="0.6", linestyle="--", linewidth=1, zorder=0)
        axes.set(xlim=(low, high), ylim=(low, high))


def _dashes(index: int) -> str | tuple[int, tuple[float, ...]]:
    """The line style with that number."""
    strokes = DASHES[_shifted(index) % len(DASHES)]
    return (0, strokes) if strokes else "-"


def _shifted(index: int) -> int:
    """A number that pairs each colour with another dash or marker after each round of colours."""
    return index + index // len(COLOURS)


def _plain_numbers(axis) -> None:
    """Mark a logarithmic axis with plain numbers at 1, 2 and 5 times the powers of ten."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def _frontier(series: Sequence[Series]) -> tuple[list[float], list[float]]:
    """The points for which no other is both further left and higher, from left to right."""
    points = sorted(
        ((x, y) for each in series for x, y in zip(each.x, each.y, strict=True) if np.isfinite(x) and np.isfinite(y)),
        key=lambda point: (point[0], -point[1]),
    )
    best: list[tuple[float, float]] = []
    for x, y in points:
        if not best or y > best[-1][1]:
            best.append((x, y))
    return [x for x, _ in best], [y for _, y in best]


def draw_maps(title: str, rows: Sequence[Sequence[Map]]) -> Figure:
    """Maps in rows under a title, each row with its own scale; the colours are readable in grey too."""
    figure, axes = _grid(title, len(rows), max(map(len, rows)))
    for row_axes, row in zip(axes, rows, strict=True):
        for one, shown in zip(row_axes, row, strict=True):
            size = len(shown.values)
            image = one.imshow(
                shown.values, cmap="viridis", vmin=0, origin="lower", extent=(0.5, size + 0.5, 0.5, size + 0.5)
            )
            ticks = [1, *range(5, size + 1, 5)]
            one.set(title=shown.title, xlabel=shown.label, ylabel=shown.label, xticks=ticks, yticks=ticks)
            figure.colorbar(image, ax=one, label="Share of differing entries", shrink=0.9)
    return figure


def draw_layers(title: str, rows: Sequence[tuple[str, Sequence[Series]]]) -> Figure:
    """For each task, bars per layer: a group of bars per layer, a bar per structure, in percent kept."""
    figure, axes = _grid(title, len(rows), 1, width=1.6)
    for (one,), (task, series) in zip(axes, rows, strict=True):
        thickness = 0.8 / len(series)
        for index, each in enumerate(series):
            x = np.asarray(each.x, float) + (index - (len(series) - 1) / 2) * thickness
            spread = np.asarray(each.spread, float)
            one.bar(
                x,
                each.y,
                thickness,
                yerr=np.nan_to_num(spread) if np.isfinite(spread).any() else None,
                capsize=2,
                color=COLOURS[1 + index],
                hatch="" if index == 0 else "//",
                edgecolor="white",
                label=each.name,
            )
        one.set(title=task, xlabel="Layer, bottom first", ylabel="Kept, %", ylim=(0, 105), xticks=list(series[0].x))
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
    return figure


def _grid(title: str, rows: int, columns: int, width: float = 1.0) -> tuple[Figure, np.ndarray]:
    """A figure and its axes, (rows, columns); no window and no global state."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        size = (PANEL_WIDTH * columns * width + 0.3, PANEL_HEIGHT * rows + 0.9)
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False)
        figure.suptitle(textwrap.fill(title, int(TITLE_CHARACTERS_PER_INCH * size[0])), fontsize=11)
    return figure, axes


def write_figure(figure: Figure, folder: Path, name: str) -> list[Path]:
    """Write the figure in each format, completely or not at all, note its hash, and return the paths."""
    paths = []
    for suffix in FORMATS:
        paths.append(folder / f"{name}.{suffix}")
        write_atomically(paths[-1], rendered(figure, suffix))
    seal(folder, paths)
    return paths


def rendered(figure: Figure, suffix: str, **more: str) -> bytes:
    """The figure as a file of a format.

    Args:
        more: entries of the file's metadata, such as Description.
    """
    import matplotlib
    from matplotlib.text import Text

    for text in figure.findobj(Text):  # a name may hold characters that XML forbids or that reverse the line
        text.set_text("\n".join(printable(line) for line in text.get_text().split("\n")))
    content = io.BytesIO()
    with matplotlib.rc_context(STYLE):
        figure.savefig(content, format=suffix, metadata={**FORMATS[suffix], **more}, dpi=DOTS_PER_INCH)
    return content.getvalue()
