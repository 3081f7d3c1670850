"""How every picture looks: variants told apart by colour, dashes and marks, on light and dark ground."""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..text import plain

Theme = Literal["light", "dark"]

# Okabe and Ito's palette can be told apart with any colour vision; its light shades are darkened here, so that every
# colour has a contrast of at least 3 to its ground (WCAG 2.1, 1.4.11). Dashes and marks have other periods than
# colours: 56 variants differ, and lines differ without colour.
COLOURS = {
    "light": ["#0072b2", "#d55e00", "#008f68", "#b5588f", "#b07800", "#2f8fc6", "#444444"],
    "dark": ["#56b4e9", "#f0894a", "#2fc79a", "#e39bc4", "#e6b030", "#8fc1ff", "#c8c8c8"],
}
GROUND = {"light": "#ffffff", "dark": "#0d1117"}
INK = {"light": "#1b1f24", "dark": "#e6edf3"}
SOFT = {"light": "#59636e", "dark": "#9aa5b1"}
RULE = {"light": "#dfe3e8", "dark": "#30363d"}
DASHES: list[Any] = ["-", (0, (6, 2)), (0, (2, 1.6)), (0, (7, 2, 1.5, 2))]
MARKS = "os^DvPX*"


@dataclass(frozen=True)
class Look:
    """How one variant is drawn."""

    colour: str
    dash: Any
    mark: str
    width: float


def looks(labels: Sequence[str], theme: Theme) -> dict[str, Look]:
    """By label, in the experiment's order. The first line is wide: later ones with gaps that coincide with it leave it
    visible below them."""
    colours = COLOURS[theme]
    return {
        label: Look(
            colours[i % len(colours)], DASHES[i % len(DASHES)], MARKS[i % len(MARKS)], 2.6 if i % 4 == 0 else 1.7
        )
        for i, label in enumerate(labels)
    }


@contextmanager
def themed(theme: Theme) -> Iterator[None]:
    """Settings of matplotlib while a picture is made. The same run gives the same file, byte for byte."""
    with matplotlib.rc_context(
        {
            "svg.hashsalt": "shoal",
            "text.parse_math": False,
            "font.size": 10.5,
            "font.family": "DejaVu Sans",
            "figure.facecolor": GROUND[theme],
            "axes.facecolor": GROUND[theme],
            "savefig.facecolor": GROUND[theme],
            "text.color": INK[theme],
            "axes.labelcolor": INK[theme],
            "axes.edgecolor": SOFT[theme],
            "xtick.color": SOFT[theme],
            "ytick.color": SOFT[theme],
            "grid.color": RULE[theme],
            "axes.axisbelow": True,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "legend.frameon": False,
            "legend.fontsize": 9.5,
            "figure.dpi": 110,
            "savefig.dpi": 160,
        }
    ):
        yield


class Picture(Figure):
    """A figure that notebooks show."""

    def _repr_png_(self) -> bytes:
        out = io.BytesIO()
        self.savefig(out, format="png", facecolor=self.get_facecolor())
        return out.getvalue()


def new_figure(
    rows: int = 1, columns: int = 1, size: tuple[float, float] = (7.2, 4.5), **how: Any
) -> tuple[Figure, np.ndarray]:
    """A figure without a window and without a trace in pyplot; axes as an array of rows and columns."""
    figure = Picture(figsize=size, layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, **how)


def figure_of(axes: Axes) -> Figure:
    figure = axes.get_figure(root=True)
    assert figure is not None, "axes of no figure"
    return figure


def finish(
    axes: Axes, x_name: str = "", y_name: str = "", title: str = "", note: str = "", small: bool = False
) -> None:
    """Names and a grid. The note, a smaller line, stands between title and axes."""
    axes.set_xlabel(plain(x_name))
    axes.set_ylabel(plain(y_name))
    if title:
        axes.set_title(plain(title), loc="left", fontsize=9.5 if small else 12, pad=18 if note else 6)
    if note:
        axes.text(
            0, 1.02, plain(note), transform=axes.transAxes, fontsize=8.5, color=matplotlib.rcParams["xtick.color"]
        )
    axes.grid(True, axis="y", linewidth=0.8)
    axes.margins(x=0.02)


def legend_text(name: str) -> str:
    """Matplotlib gives no entry to a name that begins with an underscore."""
    return plain(f" {name}" if name.startswith("_") else name)


def marks_at(x: np.ndarray, low: float, high: float, rank: int, count: int, wanted: int = 6) -> list[int]:
    """Indices of points that get a mark, at other places for each of `count` lines, so that equal lines both show."""
    if len(x) < 2 * wanted:
        return list(range(rank % 2, len(x), 2)) if len(x) > 4 else list(range(len(x)))
    places = low + (np.arange(wanted) + (rank + 0.5) / count) / wanted * (high - low)
    return sorted({int(place) for place in np.abs(x[None, :] - places[:, None]).argmin(axis=1)})
