"""How evenly clients take part: Lorenz curves."""

from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .. import statistics
from ..errors import ShoalError
from ..run_file import Run
from .style import SOFT, Theme, figure_of, finish, legend_text, looks, marks_at, new_figure, themed

Share = Literal["participations", "accepted", "examples", "steps", "bytes_up"]


def shares(run: Run, label: str, of: Share = "participations") -> tuple[np.ndarray, np.ndarray, float]:
    """Share of clients, share of what they did (lowest first), and Gini's coefficient, over all clients of the first
    seed's population; clients that never took part count with 0."""
    cells = run.cells.index[run.cells["label"] == label]
    rows = run.clients[run.clients["cell"] == cells[0]]
    amounts = rows.groupby("client").size() if of == "participations" else rows.groupby("client")[of].sum()
    known = run.provenance["clients"].get(cells[0]) if "clients" in run.provenance else None
    clients = max(len(amounts), int(known) if known is not None and str(known).isdigit() else 0)
    if clients == 0 or not amounts.sum() > 0:
        raise ShoalError(f"'{label}' has no {of.replace('_', ' ')} to divide. Choose another share.")
    ordered = np.concatenate([np.zeros(clients - len(amounts)), np.sort(amounts.to_numpy(dtype=float))])
    y = np.concatenate([[0], np.cumsum(ordered)]) / ordered.sum()
    x = np.arange(clients + 1) / clients
    return x, y, statistics.gini(ordered, clients)


def lorenz(
    run: Run, of: Share = "participations", title: str | None = None, theme: Theme = "light", axes: Axes | None = None
) -> Figure:
    """A curve per variant with the diagonal of perfect equality. Lines that coincide differ by their marks' places."""
    with themed(theme):
        if axes is None:
            figure, grid = new_figure(size=(5.4, 5.2))
            axes = grid[0, 0]
        axes.plot([0, 100], [0, 100], color=SOFT[theme], linewidth=1, linestyle=(0, (1.5, 2)), label="equal shares")
        for rank, (label, look) in enumerate(looks(run.labels, theme).items()):
            x, y, gini = shares(run, label, of)
            axes.plot(
                100 * x,
                100 * y,
                color=look.colour,
                linestyle=look.dash,
                linewidth=look.width,
                marker=look.mark,
                markersize=5,
                markevery=marks_at(x, 0, 1, rank, len(run.labels)),
                label=legend_text(f"{label}  (Gini {gini:.2f})"),
            )
        finish(
            axes,
            "clients, from the least active (%)",
            f"{of.replace('_', ' ')} (%)",
            run.name if title is None else title,
        )
        axes.set_aspect("equal")
        axes.set_xlim(0, 100)
        axes.set_ylim(0, 100)
        axes.legend(loc="upper left")
    return figure_of(axes)
