"""Measured values against rounds, virtual time or bytes: one line, panel or row for each variant."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from markupsafe import Markup

from shoal.plot.curves import band_of
from shoal.report import tables
from shoal.report.figures import LOGARITHMIC_RATIO, Chart, Counter, Dot, Line, dot_figure, line_figure, rounded
from shoal.report.text import LARGEST_DRAWN, Spread, clean, shortened
from shoal.report.variants import MOST_LINES, Cell, Variant

MOST_POINTS = 150  # more than a chart has columns to show
MOST_PANELS = 24
FEWEST_EVALUATIONS = 3  # of which a line tells something
START = 0.05  # this part of a curve, its steep start, may leave the picture
TIME_UNITS = [(1, "s"), (60, "min"), (3600, "h"), (86400, "d")]
BYTE_UNITS = [(1, "B"), (1e3, "kB"), (1e6, "MB"), (1e9, "GB"), (1e12, "TB"), (1e15, "PB")]
LONG_TIME = 10.0  # from this ratio of the last to the first time on, the axis of time is logarithmic


@dataclass(frozen=True)
class Measure:
    column: str
    name: str  # "test accuracy"
    unit: str = ""
    scale: float = 1.0


@dataclass(frozen=True)
class Against:
    name: str
    title: str  # of the axis; {} is the unit
    values: Callable[[pd.DataFrame], np.ndarray]
    units: Sequence[tuple[float, str]] = ((1, ""),)
    logarithmic: bool = False


ROUNDS = Against("rounds", "round", lambda rounds: rounds["round"].to_numpy(dtype=float))
TIME = Against(
    "virtual time", "virtual time ({})", lambda rounds: 1e-6 * rounds["time_us"].to_numpy(dtype=float), TIME_UNITS, True
)
BYTES = Against(
    "uploaded bytes",
    "uploaded by all clients ({})",
    lambda rounds: np.cumsum(rounds["bytes_up"].to_numpy(dtype=float)),
    BYTE_UNITS,
)


def series_of(cell: Cell, measure: Measure, against: Against) -> tuple[np.ndarray, np.ndarray]:
    """The values of one seed, by ascending x; where x has not advanced, the newer value counts."""
    if measure.column not in cell.rounds:
        return np.empty(0), np.empty(0)
    y = measure.scale * cell.rounds[measure.column].to_numpy(dtype=float)
    x = against.values(cell.rounds)
    keep = np.isfinite(y) & np.isfinite(x) & (np.abs(y) < LARGEST_DRAWN)
    x, y = x[keep], y[keep]
    order = np.argsort(x, kind="stable")
    x, y = x[order], y[order]
    newest = np.append(x[1:] != x[:-1], True) if len(x) else np.empty(0, dtype=bool)
    return x[newest], y[newest]


def line_of(variant: Variant, measure: Measure, against: Against) -> Line | None:
    """The mean over seeds with the lowest and highest. A seed that has ended counts with its last value, so that the
    line ends at the mean of all last values."""
    series = [(cell, *series_of(cell, measure, against)) for cell in variant.cells]
    series = [(cell, x, y) for cell, x, y in series if len(x)]
    if not series:
        return None
    band = band_of(variant.label, [pd.Series(y, index=x) for _, x, y in series], "range", 0.95, 0)
    shown = np.arange(len(band.x))
    if len(shown) > MOST_POINTS:
        shown = np.linspace(0, len(band.x) - 1, MOST_POINTS).round().astype(int)
    several = len(series) > 1
    seeds_end = min(x[-1] for _, x, _ in series)
    return Line(
        variant.label,
        variant.style,
        band.x[shown],
        band.mean[shown],
        band.low[shown] if several else None,
        band.high[shown] if several else None,
        faint_from=seeds_end if seeds_end < band.x[-1] else math.inf,
        crosses=[(float(x[-1]), float(y[-1])) for cell, x, y in series if cell.status == "diverged"],
    )


def unit_for(most: float, units: Sequence[tuple[float, str]]) -> tuple[float, str]:
    """The largest unit of which `most` holds several."""
    return [unit for unit in units if unit is units[0] or most >= 3 * unit[0]][-1]


def y_range_of(lines: Sequence[Line], measure: Measure, high_x: float) -> tuple[bool, tuple[float, float] | None, str]:
    """Whether the axis is logarithmic; its range if the steep start leaves it; and a note about that."""

    def extremes(start: float) -> tuple[float, float]:
        low, high = math.inf, -math.inf
        for line in lines:
            shown = line.x >= min(start, START * line.x[-1])  # a curve that ends early is shown whole
            for values in (line.y, line.low, line.high):
                if values is not None and shown.any():
                    low, high = min(low, float(values[shown].min())), max(high, float(values[shown].max()))
        return low, high

    low, high = extremes(-math.inf)
    is_share = measure.unit == "%"
    if not is_share and low > 0 and high > LOGARITHMIC_RATIO * low:
        return True, None, f"log {measure.name.split()[-1]}"
    shown = extremes(START * high_x)
    bottom, top = rounded(*shown)
    if is_share:
        bottom, top = max(0.0, bottom), min(100.0, top)
    # Most of the picture must gain by it.
    if high - low > 1.25 * (shown[1] - shown[0]) and (low < bottom or high > top):
        return False, (bottom, top), "the first values lie below" if low < bottom else "the first values lie above"
    bottom, top = rounded(low, high)
    return False, (max(0.0, bottom), min(100.0, top)) if is_share else (bottom, top), ""


def scaled(line: Line, unit: float) -> Line:
    return Line(
        line.name,
        line.style,
        line.x / unit,
        line.y,
        line.low,
        line.high,
        line.faint_from / unit,
        [(x / unit, y) for x, y in line.crosses],
    )


def title_of(measure: Measure, against: Against) -> str:
    text = f"{measure.name} against {against.name}"
    return text[0].upper() + text[1:]


def lines_of(variants: Sequence[Variant], measure: Measure, against: Against) -> list[Line]:
    return [line for line in (line_of(variant, measure, against) for variant in variants) if line is not None]


def evaluations(variants: Sequence[Variant], measure: Measure) -> int:
    """The most that a cell has."""
    return max((len(series_of(cell, measure, ROUNDS)[0]) for variant in variants for cell in variant.cells), default=0)


def curves(
    variants: Sequence[Variant], measure: Measure, against: Against, counter: Counter, target: float = 0
) -> Markup:
    """A chart; several small ones or a matrix if it would have too many lines; empty if there is nothing to draw."""
    lines = lines_of(variants, measure, against)
    high = max((float(line.x[-1]) for line in lines), default=0)
    if high <= 0:
        return Markup("")
    unit, unit_name = unit_for(high, against.units)
    lines = [scaled(line, unit) for line in lines]
    lowest = min(float(line.x[0]) for line in lines)
    x_log = against.logarithmic and lowest > 0 and high / unit > LONG_TIME * lowest
    y_log, y_range, note = y_range_of(lines, measure, high / unit if not x_log else -math.inf)
    notes = [text for text in (note, "log time" if x_log else "") if text]
    title = title_of(measure, against)
    chart = Chart(
        title,
        against.title.format(unit_name),
        f"{measure.name} (%)" if measure.unit == "%" else measure.name,
        lines,
        note="; ".join(notes),
        x_log=x_log,
        y_log=y_log,
        y_range=y_range,
        target=target if target and (not y_range or y_range[0] < target <= y_range[1]) else None,
    )
    if len(lines) <= MOST_LINES:
        return line_figure(chart, counter)
    if len(lines) <= MOST_PANELS:
        return panels(chart, counter)
    return matrix(chart)


def panels(chart: Chart, counter: Counter) -> Markup:
    """One small chart for each line, before the range of all means; all have the same axes."""
    low_x, high_x = min(line.x[0] for line in chart.lines), max(line.x[-1] for line in chart.lines)
    xs = np.geomspace(low_x, high_x, 60) if chart.x_log else np.linspace(low_x, high_x, 60)
    means = np.stack([np.interp(xs, line.x, line.y, left=math.nan) for line in chart.lines])
    measured = np.isfinite(means).any(axis=0)
    backdrop = Line(
        "", 0, xs[measured], xs[measured], np.nanmin(means[:, measured], axis=0), np.nanmax(means[:, measured], axis=0)
    )
    figures = [
        line_figure(
            Chart(
                line.name,
                chart.x_name,
                chart.y_name,
                [replace(line, style=0)],
                x_log=chart.x_log,
                y_log=chart.y_log,
                y_range=chart.y_range,
                target=chart.target,
                backdrop=backdrop,
                panel=True,
            ),
            counter,
        )
        for line in chart.lines
    ]
    note = f"{chart.y_name[0].upper()}{chart.y_name[1:]} by {chart.x_name}; grey: the range of all variants' means"
    return (
        Markup("<h3>{}</h3>\n").format(chart.title)
        + tables.soft("; ".join(filter(None, [note, chart.note])) + ".")
        + tables.charts(figures, "panels")
    )


def matrix(chart: Chart) -> Markup:
    """The means at some x as numbers on ground that is darker the higher they are."""
    low_x, high_x = min(line.x[0] for line in chart.lines), max(line.x[-1] for line in chart.lines)
    ends = np.linspace(0, 1, 9)[1:]
    xs = low_x * (high_x / low_x) ** ends if chart.x_log else low_x + ends * (high_x - low_x)
    if chart.x_name == "round":
        xs = np.unique(xs.round())
    means = np.stack([np.interp(xs, line.x, line.y, left=math.nan) for line in chart.lines])
    low, high = float(np.nanmin(means)), float(np.nanmax(means))

    def shaded(value: float) -> Markup:
        if not math.isfinite(value):
            return tables.cell("-")
        depth = 0 if high == low else round(55 * (value - low) / (high - low))
        return Markup('<td class="shaded hue0" style="--depth:{}%">{}</td>').format(
            depth, f"{value:.1f}" if chart.y_name.endswith("%)") else f"{value:.3g}"
        )

    rows = [
        [Markup('<td class="name">{}</td>').format(clean(line.name)), *map(shaded, row)]
        for line, row in zip(chart.lines, means, strict=True)
    ]
    note = f"{chart.y_name[0].upper()}{chart.y_name[1:]}: means over seeds, by {chart.x_name}."
    return (
        Markup("<h3>{}</h3>\n").format(chart.title)
        + tables.soft(note)
        + tables.table(["", *(f"{x:.4g}" for x in xs)], rows)
    )


def last_values(variants: Sequence[Variant], measure: Measure, counter: Counter) -> Markup:
    """For runs with one or two evaluations."""
    dots = []
    for variant in variants:
        last = [measure.scale * cell.last(measure.column) for cell in variant.cells]
        last = [value for value in last if math.isfinite(value)]
        spread = Spread.of(last)
        if last:
            text = f"{spread.mean:.4g}" + (
                f" ± {spread.deviation:.2g}, {min(last):.4g} to {max(last):.4g} over {len(last)} seeds"
                if len(last) > 1
                else ""
            )
            dots.append(Dot(variant.label, variant.style, spread.mean, min(last), max(last), text))
    name = f"{measure.name} (%)" if measure.unit == "%" else measure.name
    return dot_figure(f"{measure.name[0].upper()}{measure.name[1:]} at the last evaluation", name, dots, counter)


def reading_note(variants: Sequence[Variant]) -> Markup:
    """Explains only what is visible in the charts."""
    several = any(len(variant.cells) > 1 for variant in variants)
    text = "Lines are means over seeds" + (", bands reach from the lowest to the highest seed." if several else ".")
    if any(variant.count("diverged") for variant in variants):
        text += " × marks the last evaluation of a cell that diverged."
    if several:
        text += " Where a line is faint, some of its seeds have ended; they count with their last value."
    return tables.soft(text)


def evaluated_on(variants: Sequence[Variant]) -> str:
    """ "test " of "test accuracy": the examples of the evaluation, if they are the same in all cells."""
    sets = {str(variant.first.setting("evaluate", "on", "test")) for variant in variants}
    return shortened(clean(sets.pop()), 24) + " " if len(sets) == 1 else ""


def common_target(variants: Sequence[Variant]) -> float:
    targets = {variant.target for variant in variants}
    return targets.pop() if len(targets) == 1 else 0.0
