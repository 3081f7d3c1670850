"""Charts of a page: drawn by matplotlib, inlined as SVG whose colours follow the page's style, with the values that the
page's script shows under the pointer."""

from __future__ import annotations

import io
import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import matplotlib
import numpy as np
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from shoal.plot.style import COLOURS, DASHES, GROUND, INK, MARKS, RULE, SOFT, Theme
from shoal.report.text import LARGEST_DRAWN, clean, shortened

# Drawn in the colours of the light theme, which the page replaces by variables of its style.
LIGHT = COLOURS["light"]
INK_COLOUR, SOFT_COLOUR, RULE_COLOUR = INK["light"], SOFT["light"], RULE["light"]
VARIABLES = {colour: f"var(--c{i})" for i, colour in enumerate(LIGHT)} | {
    INK_COLOUR: "var(--ink)",
    SOFT_COLOUR: "var(--soft)",
    RULE_COLOUR: "var(--rule)",
}

# In the picture's units, which are pixels on a narrow phone: no text is smaller than there.
WIDTH, HEIGHT, TEXT = 350, 240, 12
PANEL_WIDTH, PANEL_HEIGHT = 172, 118
MARKS_PER_LINE = 5
STEPS = [1, 2, 2.5, 5, 10]  # between ticks
LOGARITHMIC_RATIO = 100.0  # from this ratio on, a linear axis would hide low values

STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "shoal",
    "text.parse_math": False,
    "font.size": TEXT,
    "font.family": "sans-serif",
    "axes.edgecolor": SOFT_COLOUR,
    "axes.labelcolor": INK_COLOUR,
    "text.color": INK_COLOUR,
    "xtick.color": SOFT_COLOUR,
    "ytick.color": SOFT_COLOUR,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "grid.color": RULE_COLOUR,
    "axes.axisbelow": True,
    "lines.linewidth": 1.8,
    "lines.markersize": 5,
    "axes.unicode_minus": True,
}


@dataclass
class Line:
    """Values of one variant, by ascending x."""

    name: str
    style: int
    x: np.ndarray
    y: np.ndarray
    low: np.ndarray | None = None
    high: np.ndarray | None = None
    faint_from: float = math.inf  # from this x on, some seeds have ended
    crosses: list[tuple[float, float]] = field(default_factory=list)  # last values of cells that diverged

    def drawable(self) -> Line:
        """Without points that are not finite or beyond what an axis can show."""
        keep = (
            np.isfinite(self.x)
            & (np.abs(self.x) < LARGEST_DRAWN)
            & np.isfinite(self.y)
            & (np.abs(self.y) < LARGEST_DRAWN)
        )
        bounded = [
            None if band is None else np.clip(np.nan_to_num(band, nan=0), -LARGEST_DRAWN, LARGEST_DRAWN)[keep]
            for band in (self.low, self.high)
        ]
        crosses = [(x, y) for x, y in self.crosses if abs(x) < LARGEST_DRAWN and abs(y) < LARGEST_DRAWN]
        return Line(self.name, self.style, self.x[keep], self.y[keep], *bounded, self.faint_from, crosses)


@dataclass
class Chart:
    title: str
    x_name: str
    y_name: str
    lines: list[Line]
    note: str = ""
    x_log: bool = False
    y_log: bool = False
    y_range: tuple[float, float] | None = None
    diagonal: bool = False  # from the lowest left to the highest right corner
    target: float | None = None
    backdrop: Line | None = None  # the range of all lines, behind one of them
    panel: bool = False  # a small one among many


def colour_of(style: int) -> str:
    return LIGHT[style % len(LIGHT)]


def plain(value: float, _: object = None) -> str:
    text = f"{value:.6g}" if abs(value) < 1e6 else f"{value:.3g}"
    return text.replace("-", "\N{MINUS SIGN}").replace("e+0", "e").replace("e+", "e")


def ticks_of(low: float, high: float, logarithmic: bool, wanted: int) -> list[float]:
    """At least two where the range holds two numbers of few digits."""
    if logarithmic and high / low >= 10:
        first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
        for factors in ((1, 2, 5), (1, 3), (1,)):
            ticks = [factor * 10.0**power for power in range(first, last + 1) for factor in factors]
            ticks = [tick for tick in ticks if low * 0.999 <= tick <= high * 1.001]
            if len(ticks) <= wanted + 1:
                return ticks
        stride = math.ceil(len(ticks) / wanted)
        return ticks[::stride]
    return [
        float(t)
        for t in MaxNLocator(wanted, steps=STEPS).tick_values(low, high)
        if low - 1e-9 * abs(low) <= t <= high * (1 + 1e-9)
    ]


def set_axis(axes: Axes, which: str, low: float, high: float, logarithmic: bool, wanted: int) -> list[str]:
    """Returns the labels of the ticks."""
    if not high - low > 1e-12 * max(abs(low), abs(high)):
        margin = 1 if low == 0 else abs(low) * 0.1
        low, high = low - margin, high + margin
    ticks = ticks_of(low, high, logarithmic, wanted)
    if logarithmic:
        getattr(axes, f"set_{which}scale")("log")
    axis = getattr(axes, f"{which}axis")
    axis.set_major_locator(FixedLocator(ticks))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(plain))
    getattr(axes, f"set_{which}lim")(low, high)
    return [plain(tick) for tick in ticks]


def rounded(low: float, high: float) -> tuple[float, float]:
    """The range widened to numbers of few digits."""
    if not high - low > 1e-12 * max(abs(low), abs(high)):
        margin = 1 if low == 0 else abs(low) * 0.1
        low, high = low - margin, high + margin
    ticks = MaxNLocator(5, steps=STEPS).tick_values(low, high)
    return min(low, ticks[0]), max(high, ticks[-1])


def mark_places(line: Line, lines: Sequence[Line], low: float, high: float, logarithmic: bool) -> list[int]:
    """Indices of points that get a mark; those of other lines are elsewhere, so that equal lines both show."""
    if len(line.x) < 2 * MARKS_PER_LINE:
        same = [other for other in lines if len(other.y) == len(line.y) and np.allclose(other.y, line.y, rtol=0.01)]
        turn = next(i for i, other in enumerate(same) if other is line)
        return [i for i in range(len(line.x)) if i % len(same) == turn % len(line.x)]
    rank, count = next(i for i, other in enumerate(lines) if other is line), len(lines)
    scale = np.log if logarithmic else np.asarray
    wanted = scale(low) + (np.arange(MARKS_PER_LINE) + (rank + 0.5) / count) / MARKS_PER_LINE * (
        scale(high) - scale(low)
    )
    places = np.abs(scale(line.x)[None, :] - wanted[:, None]).argmin(axis=1)
    return sorted(set(int(place) for place in places))


def draw_line(axes: Axes, line: Line, marks: list[int] | None, has_band: bool) -> None:
    colour, dash = colour_of(line.style), DASHES[line.style % len(DASHES)]
    if has_band and line.low is not None and line.high is not None and len(line.x) > 1:
        axes.fill_between(line.x, line.low, line.high, color=colour, alpha=0.14, linewidth=0)
    mark = MARKS[line.style % len(MARKS)] if marks is not None else ""
    if len(line.x) == 1:
        axes.plot(line.x, line.y, mark or "o", color=colour)
        return
    faint = line.x >= line.faint_from
    split = int(np.argmax(faint)) if faint.any() else len(line.x)
    inside = [place for place in marks or [] if place < split]
    axes.plot(line.x[:split], line.y[:split], linestyle=dash, color=colour, marker=mark, markevery=inside or [])
    if split < len(line.x):
        begin = max(split - 1, 0)
        axes.plot(line.x[begin:], line.y[begin:], linestyle=dash, color=colour, alpha=0.5)
    if line.crosses:
        axes.plot(*zip(*line.crosses, strict=True), "x", color=colour, markersize=8, markeredgewidth=2)


def y_limits(chart: Chart, lines: Sequence[Line]) -> tuple[float, float]:
    if chart.y_range:
        return chart.y_range
    values = [values for line in lines for values in (line.y, line.low, line.high) if values is not None]
    values += [np.array([y]) for line in lines for _, y in line.crosses]
    if chart.backdrop is not None:
        values += [chart.backdrop.low, chart.backdrop.high]
    everything = np.concatenate(values)
    if chart.y_log:
        everything = everything[everything > 0]
        return float(everything.min()) / 1.1, float(everything.max()) * 1.1
    return rounded(float(everything.min()), float(everything.max()))


def draw(axes: Axes, chart: Chart, lines: Sequence[Line]) -> tuple[list[str], list[str]]:
    """Draws into the axes, which may be those of a paper's figure; returns the labels of the ticks of x and y."""
    xs = np.concatenate([line.x for line in lines] + [np.array([x for line in lines for x, _ in line.crosses])])
    low, high = float(xs.min()), float(xs.max())
    if not chart.x_log and low > 0:
        low = 0.0
    few = chart.panel
    x_labels = set_axis(axes, "x", low, high, chart.x_log, 2 if few else 5)
    y_labels = set_axis(axes, "y", *y_limits(chart, lines), chart.y_log, 3 if few else 5)
    axes.grid(True, axis="y", linewidth=1)
    axes.tick_params(length=0, axis="y", pad=5)
    axes.tick_params(length=4, axis="x")
    low, high = axes.get_xlim()
    if chart.diagonal:
        axes.plot(axes.get_xlim(), axes.get_ylim(), color=SOFT_COLOUR, linewidth=1, linestyle=(0, (1.5, 2)))
    if chart.backdrop is not None:
        axes.fill_between(
            chart.backdrop.x, chart.backdrop.low, chart.backdrop.high, color=SOFT_COLOUR, alpha=0.15, linewidth=0
        )
    for line in lines:
        marks = None if few else mark_places(line, lines, low, high, chart.x_log)
        draw_line(axes, line, marks, has_band=True)
    if chart.target is not None:
        axes.axhline(chart.target, color=SOFT_COLOUR, linewidth=1, linestyle=(0, (2, 3)))
        if not few:
            # On the left, where curves are still lower.
            axes.annotate(
                f"target {plain(chart.target)}{' %' if chart.y_name.endswith('(%)') else ''}",
                (0.01, chart.target),
                (0, 3),
                color=SOFT_COLOUR,
                xycoords=("axes fraction", "data"),
                textcoords="offset points",
                ha="left",
                va="bottom",
            )
    # A line or mark on the edge of the axes is not cut in half.
    bottom, top = axes.get_ylim()
    is_cut = any(((line.y < bottom) | (line.y > top)).any() for line in lines)
    for artist in axes.lines:
        artist.set_clip_on(is_cut)
    return x_labels, y_labels


def palette(theme: Theme) -> str:
    """The variables of the page's style that pictures and text share."""
    named = {"ground": GROUND[theme], "ink": INK[theme], "soft": SOFT[theme], "rule": RULE[theme]}
    named |= {f"c{i}": colour for i, colour in enumerate(COLOURS[theme])}
    return " ".join(f"--{name}: {colour};" for name, colour in named.items())


class Counter:
    """Numbers the pictures of a page, so that names inside of them differ."""

    def __init__(self) -> None:
        self.count = 0

    def next(self) -> str:
        self.count += 1
        return f"f{self.count}"


def inline_svg(figure: Figure, prefix: str, title: str) -> Markup:
    """The picture as an element of a page: colours are the style's variables, names are its own, numbers are short."""
    out = io.StringIO()
    figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    svg = out.getvalue()
    svg = svg[svg.index("<svg") :]
    width, height = (72 * side for side in figure.get_size_inches())
    opening = (
        f'<svg class="chart" xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(clean(title))}">'
    )
    svg = opening + svg[svg.index(">") + 1 :]
    svg = re.sub(r"\s*<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    svg = re.sub(r"#[0-9a-f]{6}\b", lambda match: VARIABLES.get(match[0], match[0]), svg)
    svg = re.sub(r'\bid="(\w+)"', rf'id="{prefix}-\1"', svg)
    svg = re.sub(r'(href="#|url\(#)(\w+)', rf"\g<1>{prefix}-\2", svg)
    svg = re.sub(r'\bd="([^"]*)"', lambda match: 'd="' + compact_path(match[1]) + '"', svg)
    return Markup(re.sub(r"\n\s*", "\n", svg))


def compact_path(path: str) -> str:
    path = re.sub(r"(\.\d)\d+", r"\1", path)
    return re.sub(r"\s+", " ", path).replace(" L ", "L").strip()


def short(values: np.ndarray) -> list[float | None]:
    """For the page's script: six digits are more than a reader sees."""
    return [float(f"{value:.6g}") if math.isfinite(value) else None for value in values.tolist()]


def as_script(data: dict[str, Any]) -> Markup:
    text = json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return Markup(f'<script type="application/json" class="values">{text.replace("<", chr(92) + "u003c")}</script>')


def caption(chart: Chart) -> Markup:
    note = Markup(" <span>({})</span>").format(clean(chart.note)) if chart.note else ""
    return Markup("<figcaption>{}{}</figcaption>").format(clean(chart.title), note)


def has_something(chart: Chart) -> bool:
    return any(len(line.drawable().x) for line in chart.lines)


def line_figure(chart: Chart, counter: Counter) -> Markup:
    """The chart as a figure of a page; empty if there is nothing to draw."""
    lines = [line for line in (line.drawable() for line in chart.lines) if len(line.x)]
    if chart.x_log:
        lines = [line for line in lines if (line.x > 0).all()]
    if not lines:
        return Markup("")
    width, height = (PANEL_WIDTH, PANEL_HEIGHT) if chart.panel else (WIDTH, HEIGHT)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width / 72, height / 72), facecolor="none")
        axes = figure.add_axes((0.1, 0.1, 0.8, 0.8), facecolor="none")
        x_labels, y_labels = draw(axes, chart, lines)
        left = 10 + 7.2 * max(map(len, y_labels), default=1)
        right = width - max(8, 3.6 * len(x_labels[-1]) if x_labels else 8)
        top, bottom = (8, height - 20) if chart.panel else (24, height - 38)
        axes.set_position((left / width, 1 - bottom / height, (right - left) / width, (bottom - top) / height))
        if not chart.panel:
            figure.text(0, 1 - 12 / height, clean(chart.y_name), ha="left", va="baseline")
            figure.text((left + right) / 2 / width, 7 / height, clean(chart.x_name), ha="center", va="baseline")
        svg = inline_svg(figure, counter.next(), chart.title)
    low, high = axes.get_xlim()
    bottom_value, top_value = axes.get_ylim()
    data = {
        "box": [round(side, 1) for side in (left, top, right, bottom)],
        "x": [low, high, int(chart.x_log)],
        "y": [bottom_value, top_value, int(chart.y_log)],
        "xname": clean(chart.x_name),
        "yname": clean(chart.y_name),
        "lines": [
            {"name": clean(line.name), "c": line.style % len(LIGHT), "x": short(line.x), "y": short(line.y)}
            | ({} if line.low is None or line.high is None else {"low": short(line.low), "high": short(line.high)})
            for line in lines
        ],
    }
    kind = "panel" if chart.panel else "chart"
    return Markup('<figure class="{}">{}{}{}</figure>\n').format(kind, caption(chart), svg, as_script(data))


@dataclass
class Dot:
    """A value with an interval, and what the pointer shows."""

    name: str
    style: int
    value: float
    low: float
    high: float
    text: str


def dot_figure(title: str, x_name: str, dots: Sequence[Dot], counter: Counter, note: str = "") -> Markup:
    """One row for each dot, its name above it: for few evaluations, of which a curve would show nothing."""
    dots = [dot for dot in dots if all(abs(value) < LARGEST_DRAWN for value in (dot.value, dot.low, dot.high))]
    if not dots:
        return Markup("")
    row, top, foot = 36, 6, 40
    height = top + row * len(dots) + foot
    left, right = 16, WIDTH - 18
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH / 72, height / 72), facecolor="none")
        axes = figure.add_axes(
            (left / WIDTH, foot / height, (right - left) / WIDTH, row * len(dots) / height), facecolor="none"
        )
        low, high = rounded(min(dot.low for dot in dots), max(dot.high for dot in dots))
        set_axis(axes, "x", low, high, False, 5)
        axes.set_ylim(len(dots), 0)
        axes.yaxis.set_major_locator(NullLocator())
        axes.grid(True, axis="x", linewidth=1)
        for i, dot in enumerate(dots):
            colour = colour_of(dot.style)
            axes.plot([dot.low, dot.high], [i + 0.64] * 2, color=colour, linewidth=2.4, alpha=0.6, clip_on=False)
            axes.plot([dot.value], [i + 0.64], MARKS[dot.style % len(MARKS)], color=colour, markersize=7, clip_on=False)
            name = figure.text(
                left / WIDTH, (foot + row * (len(dots) - i) - 12) / height, shortened(clean(dot.name), 48)
            )
            name.set_fontsize(TEXT)
        figure.text(0.5, 8 / height, clean(x_name), ha="center", va="baseline")
        svg = inline_svg(figure, counter.next(), title)
    rows = [
        {"at": round(top + row * (i + 0.64), 1), "name": clean(dot.name), "text": clean(dot.text)}
        for i, dot in enumerate(dots)
    ]
    head = caption(Chart(title, "", "", [], note))
    return Markup('<figure class="chart">{}{}{}</figure>\n').format(head, svg, as_script({"rows": rows}))


def swatch(style: int) -> Markup:
    """A short piece of a variant's line with its mark, for tables and legends."""
    colour, dash, mark = style % len(LIGHT), style % len(DASHES), style % len(MARKS)
    return Markup(
        f'<svg class="swatch" viewBox="0 0 30 10" aria-hidden="true"><line class="c{colour} d{dash}" x1="1" '
        f'y1="5" x2="29" y2="5"/><use href="#mark{mark}" class="c{colour} mark" x="15" y="5"/></svg>'
    )
