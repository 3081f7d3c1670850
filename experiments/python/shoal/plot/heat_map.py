"""A value over two settings of a grid, readable without colour: every field has its number."""

from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .. import text
from ..errors import ShoalError
from ..run_file import TO_TARGET, Run
from .quantities import quantity
from .style import Theme, figure_of, finish, new_figure, themed


def over_settings(run: Run, rows: str, columns: str, value: str = "final_accuracy") -> pd.DataFrame:
    """Means over all other settings, by two settings such as "planner.dropout" and "strategy.name"; of rounds and time
    to the target, over the cells that reached it."""
    if value not in run.cells.columns:
        raise ShoalError(
            f"{run.path}: cells have no value '{value}'. Choose a column of run.cells, such as final_accuracy."
        )
    cells = run.cells.assign(**{key: [setting(run, cell, key) for cell in run.cells.index] for key in (rows, columns)})
    if value in TO_TARGET:
        cells[value] = cells[value].where(cells[value] >= 0)
    return cells.pivot_table(value, rows, columns, aggfunc="mean", sort=False, dropna=False)


def setting(run: Run, cell: int, key: str) -> str | int | float | bool:
    """A setting of one cell, by its dotted name. A section that is its part's name alone, as in strategy = "fed_avg",
    has no other settings."""
    found = run.settings(cell)
    for name in key.split("."):
        if isinstance(found, str) and name == "name":
            return found
        if not isinstance(found, dict) or name not in found:
            raise ShoalError(f"cell {cell} has no setting '{key}'. Choose one that the experiment sets in every cell.")
        found = found[name]
    return (
        found["name"]
        if isinstance(found, dict) and "name" in found
        else str(found)
        if isinstance(found, (dict, list))
        else found
    )


def heat_map(
    data: pd.DataFrame | Run,
    rows: str = "",
    columns: str = "",
    value: str = "final_accuracy",
    better: Literal["higher", "lower"] | None = None,
    title: str | None = None,
    theme: Theme = "light",
    axes: Axes | None = None,
) -> Figure:
    """Of a run, over two of its settings; or of a frame of numbers, whose name is then `value`. The best value of each
    column is framed: the highest of accuracies and frames, the lowest of anything else, unless `better` says which."""
    factor, name, rises = 1.0, value, True
    if isinstance(data, Run):
        shown = quantity(value, data)
        factor, name, rises = shown.factor, shown.name, shown.rises
        title = data.name if title is None else title
        data = over_settings(data, rows, columns, value)
    rises = rises if better is None else better == "higher"
    values = factor * data.to_numpy(dtype=float)
    if not np.isfinite(values).any():
        raise ShoalError(f"there is no value of '{name}' to draw. Choose another.")
    low, high = np.nanmin(values), np.nanmax(values)
    decimals = 1 if high - low >= 1 else int(np.clip(2 - np.floor(np.log10(max(high - low, 1e-6))), 1, 6))
    with themed(theme):
        if axes is None:
            figure, grid = new_figure(size=(2.2 + 0.95 * data.shape[1], 1.6 + 0.5 * data.shape[0]))
            axes = grid[0, 0]
        image = axes.imshow(values, cmap="cividis", aspect="auto", vmin=low, vmax=high if high > low else low + 1)
        for i, j in np.ndindex(values.shape):
            if np.isfinite(values[i, j]):
                r, g, b, _ = image.cmap(image.norm(values[i, j]))
                ink = "#000000" if 0.2126 * r**2.2 + 0.7152 * g**2.2 + 0.0722 * b**2.2 > 0.18 else "#ffffff"
                best = np.nanmax(values[:, j]) if rises else np.nanmin(values[:, j])
                frame = (
                    {"boxstyle": "round,pad=0.25", "fill": False, "edgecolor": ink} if values[i, j] == best else None
                )
                axes.text(j, i, f"{values[i, j]:.{decimals}f}", ha="center", va="center", color=ink, bbox=frame)
        finish(
            axes,
            str(data.columns.name or ""),
            str(data.index.name or ""),
            title or "",
            f"{name}; framed: best of its column",
        )
        axes.grid(False)
        axes.set_xticks(range(data.shape[1]), [text.plain(str(label)) for label in data.columns])
        axes.set_yticks(range(data.shape[0]), [text.plain(str(label)) for label in data.index])
        axes.tick_params(length=0)
        axes.margins(0)
        axes.spines[:].set_visible(False)
    return figure_of(axes)
