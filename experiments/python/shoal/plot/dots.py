"""Last values of variants as dots with intervals, one row each."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .. import statistics, text
from ..errors import ShoalError
from ..run_file import Run
from ..statistics import Method
from ..table import by_repetition
from .quantities import quantity
from .style import SOFT, Theme, figure_of, finish, looks, new_figure, themed


def dots(
    runs: Run | Sequence[Run],
    value: str | None = None,
    interval: Method = "t",
    confidence: float = 0.95,
    title: str | None = None,
    theme: Theme = "light",
    axes: Axes | None = None,
) -> Figure:
    """The mean over seeds with its interval, and each repetition as a small dot. `value` as in
    `shoal.table.by_repetition`."""
    together = [runs] if isinstance(runs, Run) else list(runs)
    value = value or together[0].main_value
    values: dict[str, list[float]] = {}
    for run in together:
        for label, column in by_repetition(run, value).items():
            values.setdefault(str(label), []).extend(column.dropna())
    values = {label: found for label, found in values.items() if found}
    if not values:
        raise ShoalError(f"there is no value of '{value}' to draw. Choose another column, or a measure.")
    shown = quantity(value, together[0])
    with themed(theme):
        if axes is None:
            figure, grid = new_figure(size=(7.2, 1.3 + 0.34 * len(values)))
            axes = grid[0, 0]
        for row, (label, look) in enumerate(looks(list(values), theme).items()):
            own = shown.factor * np.array(values[label])
            found = statistics.interval(own, interval, confidence)
            axes.plot(own, np.full(len(own), row + 0.22), ".", color=SOFT[theme], markersize=4, alpha=0.7)
            if np.isfinite([found.low, found.high]).all():
                axes.plot([found.low, found.high], [row, row], color=look.colour, linewidth=2)
            axes.plot(found.mean, row, look.mark, color=look.colour, markersize=7)
        finish(axes, shown.name, "", together[0].name if title is None else title)
        axes.set_yticks(range(len(values)), [text.plain(label) for label in values])
        axes.set_ylim(len(values) - 0.5, -0.5)
        axes.grid(True, axis="x", linewidth=0.8)
        axes.margins(x=0.05)
    return figure_of(axes)
