"""A value of variants as it changes over rounds, virtual time or bytes, with intervals over seeds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from .. import statistics, text
from ..errors import ShoalError
from ..run_file import Run
from ..statistics import Method
from .dots import dots
from .quantities import Quantity, quantity, scaled_bytes, scaled_time
from .style import RULE, SOFT, Look, Theme, figure_of, finish, legend_text, looks, marks_at, new_figure, themed

Against = Literal["round", "time", "bytes"]

FEWEST_EVALUATIONS = 3  # of fewer, a curve would be an empty frame
MOST_TOGETHER = 8  # variants; more have a small picture each
LOGARITHMIC_RATIO = 20.0  # of the variants' lengths along time or bytes: a linear axis would squeeze the shortest


@dataclass(frozen=True)
class Band:
    """One variant: at every x the mean over its seeds and the limits of the interval (NaN where there is one seed)."""

    label: str
    x: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    last: float  # mean of the seeds' own last values
    seeds: int
    diverged: int


def bands(
    runs: Run | Sequence[Run],
    value: str | None = None,
    x: Against = "round",
    interval: Method = "t",
    confidence: float = 0.95,
) -> list[Band]:
    """The curves as numbers. Equal labels of several runs are pooled. Seeds that were evaluated at other times are
    interpolated; one that ends earlier counts with its own last value from there on."""
    found: dict[str, list[pd.Series]] = {}
    diverged: dict[str, int] = {}
    column = {"round": "round", "time": "time_us", "bytes": "bytes"}[x]
    together = [runs] if isinstance(runs, Run) else list(runs)
    value = value or together[0].main_value
    for run in together:
        series = run.series(value)
        for cell, rows in series.groupby("cell", sort=False):
            label = str(run.cells.at[cell, "label"])
            found.setdefault(label, []).append(rows.groupby(column)[value].last().astype(float))
            diverged[label] = diverged.get(label, 0) + int(run.cells.at[cell, "status"] == "diverged")
    return [band_of(label, curves, interval, confidence, diverged[label]) for label, curves in found.items()]


def band_of(label: str, curves: list[pd.Series], interval: Method, confidence: float, diverged: int) -> Band:
    x = np.unique(np.concatenate([curve.index.to_numpy(dtype=float) for curve in curves]))
    x = x[x >= max(curve.index[0] for curve in curves)]  # from where all seeds have been evaluated
    values = np.stack([np.interp(x, curve.index, curve.to_numpy()) for curve in curves])
    mean = values.mean(axis=0)
    low = high = np.full(len(x), np.nan)
    if len(curves) > 1:
        if interval in ("t", "sd"):
            half = values.std(axis=0, ddof=1)
            half = statistics.half_width(half, len(curves), confidence) if interval == "t" else half
            low, high = mean - half, mean + half
        elif interval == "range":
            low, high = values.min(axis=0), values.max(axis=0)
        else:
            limits = [statistics.interval(column, interval, confidence) for column in values.T]
            low, high = np.array([limit.low for limit in limits]), np.array([limit.high for limit in limits])
    last = float(np.mean([curve.iloc[-1] for curve in curves]))
    return Band(label, x, mean, low, high, last, len(curves), diverged)


def curves(
    runs: Run | Sequence[Run],
    value: str | None = None,
    x: Against = "round",
    interval: Method = "t",
    confidence: float = 0.95,
    title: str | None = None,
    theme: Theme = "light",
    axes: Axes | None = None,
    skip: float = 0,
) -> Figure:
    """A line per variant: the mean over its seeds with an interval. `value` is a column of `run.rounds` or a measure
    (None: `run.main_value`). More than eight variants have a small picture each; with fewer than three evaluations the
    last values are drawn as dots. `skip`: the vertical axis need not show what is in this first share of the horizontal
    one."""
    first = runs if isinstance(runs, Run) else runs[0]
    value = value or first.main_value
    found = bands(runs, value, x, interval, confidence)
    if not found:
        raise ShoalError(f"there is no value of '{value}' to draw. Choose another column of rounds, or a measure.")
    title = first.name if title is None else title
    if max(len(band.x) for band in found) < FEWEST_EVALUATIONS:
        return dots(runs, value, interval, confidence, title=title, theme=theme, axes=axes)
    shown, x_name, x_unit = quantity(value, first), "round", 1.0
    longest = max(band.x[-1] for band in found)
    if x == "time":
        x_unit, x_name = scaled_time(longest)
    elif x == "bytes":
        x_unit, x_name = scaled_bytes(longest)
    shortest = min(band.x[-1] for band in found)
    logarithmic = x != "round" and longest > LOGARITHMIC_RATIO * shortest and min(band.x[0] for band in found) > 0
    with themed(theme):
        look = looks([band.label for band in found], theme)
        if len(found) > MOST_TOGETHER and axes is None:
            figure, panels = _panels(found, look, shown, x_unit, theme)
            figure.supxlabel(x_name, fontsize=10.5)
            figure.supylabel(shown.name, fontsize=10.5)
            figure.suptitle(text.plain(title), x=0.01, ha="left", fontsize=12)
            drawn = list(panels)
        else:
            if axes is None:
                figure, grid = new_figure()
                axes = grid[0, 0]
            for rank, band in enumerate(found):
                _line(axes, band, look[band.label], shown, x_unit, rank, len(found))
            seeds = max(band.seeds for band in found)
            finish(axes, x_name, shown.name, title, _note(seeds, interval, confidence))
            # Where lines have ended high, the lower right corner is free.
            if skip > 0:
                axes.set_ylim(*_limits(found, shown, skip))
            axes.legend(loc="lower right" if shown.rises else "upper right", handlelength=3.2)
            drawn = [axes]
        for each in drawn:
            if logarithmic:
                each.set_xscale("log")
                each.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            if shown.factor == 100:  # a t interval may promise more than all, or less than nothing
                low, high = each.get_ylim()
                each.set_ylim(max(low, -2), min(high, 102))
    return figure_of(drawn[0])


def _line(axes: Axes, band: Band, look: Look, shown: Quantity, x_unit: float, rank: int, count: int) -> None:
    last = shown.text(band.last)
    note = f"; {band.diverged} of {band.seeds} diverged" if band.diverged else ""
    x = band.x / x_unit
    axes.plot(
        x,
        shown.factor * band.mean,
        color=look.colour,
        linestyle=look.dash,
        linewidth=look.width,
        marker=look.mark,
        markersize=5,
        markevery=marks_at(x, x[0], x[-1], rank, count),
        label=legend_text(f"{band.label}  ({last}{note})"),
    )
    if np.isfinite(band.low).any():
        axes.fill_between(
            x, shown.factor * band.low, shown.factor * band.high, color=look.colour, alpha=0.14, linewidth=0
        )


def _limits(found: list[Band], shown: Quantity, skip: float) -> tuple[float, float]:
    begin = skip * max(band.x[-1] for band in found)
    rows = [row[band.x >= begin] for band in found for row in (band.mean, band.low, band.high)]
    values = shown.factor * np.concatenate(rows)
    low, high = np.nanmin(values), np.nanmax(values)
    margin = 0.05 * (high - low) or 1.0
    return low - margin, high + margin


def _panels(
    found: list[Band], look: dict[str, Look], shown: Quantity, x_unit: float, theme: Theme
) -> tuple[Figure, np.ndarray]:
    """Each variant before the others in grey, all with the same axes."""
    columns = 4 if len(found) > 9 else 3
    rows = -(-len(found) // columns)
    figure, grid = new_figure(rows, columns, (2.6 * columns, 1.9 * rows + 0.6), sharex=True, sharey=True)
    for axes, band in zip(grid.flat, found, strict=False):
        for other in found:
            axes.plot(
                other.x / x_unit,
                shown.factor * other.mean,
                color=RULE[theme] if other is not band else SOFT[theme],
                linewidth=0.8,
            )
        colour = look[band.label].colour
        axes.fill_between(
            band.x / x_unit, shown.factor * band.low, shown.factor * band.high, color=colour, alpha=0.2, linewidth=0
        )
        axes.plot(band.x / x_unit, shown.factor * band.mean, color=colour, linewidth=1.8)
        finish(axes, title=f"{band.label}  ({shown.text(band.last)})", small=True)
    for axes in grid.flat[len(found) :]:
        axes.remove()
    return figure, grid.flat[: len(found)]


def _note(seeds: int, interval: Method, confidence: float) -> str:
    if seeds < 2:
        return ""
    kind = {
        "t": f"{100 * confidence:g} % interval (t)",
        "bootstrap": f"{100 * confidence:g} % interval (bootstrap)",
        "sd": "± standard deviation",
        "range": "from lowest to highest",
    }[interval]
    return f"mean of {seeds} seeds, band: {kind}; mean of last values in brackets"
